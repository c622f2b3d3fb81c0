//! Every index of ours, as the installation script makes it.

use std::ffi::CStr;

use super::index_definition::Of::{Bigint, Boolean, Bytes, Date, Integer, Moment, Text, Uuid, Word};
use super::index_definition::{Column, Definition};

/// All of them. Those that are needed are read by the access method, and nothing else can be read instead.
pub(super) static ALL: &[Definition] = &[
    Definition::primary_key(c"as_issued", c"as_issued_pkey", &[Column::new("token_id", 1, Uuid)]),
    Definition::primary_key(c"announced", c"announced_pkey", &[Column::new("token_id", 1, Uuid)]),
    Definition::primary_key(c"binding", c"binding_pkey", &[Column::new("type", 1, Word)]),
    Definition::primary_key(c"change", c"change_pkey", &[Column::new("id", 1, Uuid)]).needed(),
    Definition::primary_key(c"counting", c"counting_pkey", &[Column::new("only_row", 1, Boolean)]),
    Definition::primary_key(c"derived_death", c"derived_death_pkey", &[Column::new("digest", 1, Bytes)]).needed(),
    Definition::index(
        c"derived_death",
        c"derived_death_token_id_idx",
        &[Column::new("token_id", 2, Uuid), Column::new("expires_at", 3, Moment)],
    ),
    Definition::primary_key(c"erased", c"erased_pkey", &[Column::new("token_id", 1, Uuid)]),
    Definition::primary_key(c"erased_id", c"erased_id_pkey", &[Column::new("digest", 1, Bytes)]).needed(),
    Definition::primary_key(c"event", c"event_pkey", &[Column::new("id", 1, Uuid)]).needed(),
    Definition::index(
        c"event",
        c"event_token_id_idx",
        &[Column::new("token_id NULLS FIRST", 3, Uuid).with_nulls_first()],
    ),
    Definition::index(c"event", c"event_owner_idx", &[Column::new("owner", 7, Text)]),
    Definition::primary_key(c"heartbeat", c"heartbeat_pkey", &[Column::new("id", 1, Boolean)]).needed(),
    Definition::primary_key(c"import", c"import_pkey", &[Column::new("algorithm", 1, Word)]).needed(),
    Definition::primary_key(c"key", c"key_pkey", &[Column::new("id", 1, Word)]).needed(),
    Definition::primary_key(c"kind", c"kind_pkey", &[Column::new("name", 1, Word)]).needed(),
    Definition::unique(c"kind", c"kind_prefix_key", &[Column::new("prefix", 2, Word)]),
    Definition::primary_key(
        c"mass_death",
        c"mass_death_pkey",
        &[Column::new("owner", 1, Word), Column::new("epoch", 2, Bigint)],
    )
    .needed(),
    Definition::primary_key(c"member", c"member_pkey", &[Column::new("org", 1, Word), Column::new("member", 2, Word)])
        .needed(),
    Definition::index(c"member", c"member_member_idx", &[Column::new("member", 2, Word)]).needed(),
    Definition::primary_key(c"principal", c"principal_pkey", &[Column::new("principal", 1, Word)]).needed(),
    Definition::index(c"principal", c"principal_stopping_idx", &[Column::new("principal", 1, Word)])
        .on_rows_where(
            "CASE WHEN active THEN all_dead_before_epoch > 0 OR revocable_dead_before_epoch > 0 OR dropped_at IS NOT \
             NULL ELSE true END",
        )
        .of_the_release_with(c"heartbeat"),
    Definition::primary_key(c"token", c"token_pkey", &[Column::new("id", 2, Uuid)]).needed(),
    Definition::unique(c"token", c"token_lookup_key", &[Column::new("lookup", 1, Bigint)]).needed(),
    Definition::index(
        c"token",
        c"token_owner_idx",
        &[
            Column::new("owner", 16, Word),
            Column::new("crowded", 6, Boolean),
            Column::new("dies_with_owner", 5, Boolean),
            Column::new("owner_epoch", 4, Integer),
        ],
    ),
    Definition::index(c"token", c"token_owner_id_idx", &[Column::new("owner", 16, Word), Column::new("id", 2, Uuid)])
        .on_rows_where("crowded"),
    Definition::index(
        c"token",
        c"token_expires_on_idx",
        &[Column::new("((expires_at AT TIME ZONE 'UTC')::date)", 0, Date)],
    ),
    Definition::index(c"token", c"token_pepper_idx", &[Column::new("pepper", 14, Text)])
        .on_rows_where("pepper IS NOT NULL")
        .of_the_release_with(c"heartbeat"),
    Definition::index(c"token", c"token_seal_idx", &[Column::new("seal", 30, Text)])
        .on_rows_where("seal IS NOT NULL")
        .of_the_release_with(c"heartbeat"),
    Definition::index(c"token", c"token_import_key_idx", &[Column::new("algorithm COLLATE \"C\"", 13, Word)])
        .on_rows_where("algorithm LIKE 'hmac-%:%'")
        .of_the_release_with(c"heartbeat"),
    Definition::primary_key(c"usage", c"usage_pkey", &[Column::new("token_id", 1, Uuid)]).needed(),
    Definition::primary_key(c"usage_batch", c"usage_batch_pkey", &[Column::new("node", 1, Uuid)]).needed(),
    Definition::primary_key(c"usage_copy", c"usage_copy_pkey", &[Column::new("copy", 1, Uuid)]),
    Definition::primary_key(
        c"usage_hourly",
        c"usage_hourly_pkey",
        &[Column::new("token_id", 1, Uuid), Column::new("hour", 2, Moment)],
    ),
    Definition::index(c"usage_hourly", c"usage_hourly_hour_idx", &[Column::new("hour", 2, Moment)]),
    Definition::index(c"usage_hourly", c"usage_hourly_unfolded_idx", &[Column::new("hour", 2, Moment)])
        .on_rows_where("period = 'hour'"),
];

/// The one of this name.
pub(super) fn of(name: &CStr) -> &'static Definition {
    ALL.iter().find(|definition| definition.name == name).expect("every index of ours is listed")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pg::roles::extension::SCRIPTS;

    /// The statements that make tables, by the names of these, and those that make indexes; with single blanks.
    fn statements() -> (Vec<(String, String)>, BTreeSet<String>) {
        let without_comments: Vec<_> = SCRIPTS.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        let statements: Vec<String> = without_comments
            .join(" ")
            .split(';')
            .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let tables = statements.iter().filter_map(|statement| {
            let (name, columns) = statement.strip_prefix("CREATE TABLE tokenauth.")?.split_once(" ( ")?;
            Some((name.to_owned(), columns.to_owned()))
        });
        let indexes = statements.iter().filter(|statement| statement.starts_with("CREATE INDEX "));
        (tables.collect(), indexes.cloned().collect())
    }

    #[test]
    fn every_index_of_the_installation_script_is_listed_as_it_is_made_there() {
        let (tables, mut expected) = statements();
        for (table, columns) in &tables {
            let constraints = columns.split("CONSTRAINT ").skip(1).filter_map(|constraint| {
                let end = constraint.find(')')? + 1;
                let (_, what) = constraint.split_once(' ')?;
                (what.starts_with("PRIMARY KEY") || what.starts_with("UNIQUE"))
                    .then(|| format!("ALTER TABLE tokenauth.{table} ADD CONSTRAINT {}", &constraint[..end]))
            });
            expected.extend(constraints);
        }
        assert_eq!(ALL.iter().map(Definition::statement).collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn the_columns_of_a_key_have_the_numbers_that_the_tables_give_them() {
        let (tables, _) = statements();
        for definition in ALL {
            let of_table = tables.iter().find(|(name, _)| definition.table.to_bytes() == name.as_bytes());
            let (_, columns) = of_table.unwrap();
            // Types and defaults have no comma before a blank.
            let names: Vec<_> = columns.split(", ").filter_map(|column| column.split(' ').next()).collect();
            for (name, number) in definition.numbers() {
                assert_eq!(names[number - 1], name, "{:?}", definition.name);
            }
        }
    }
}
