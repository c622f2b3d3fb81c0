//! Which of our tables readers follow, and which stay where they are.

/// What verification reads, and what it takes to judge and count it: published to readers.
pub const PUBLISHED: [&str; 11] = [
    "change",
    "derived_death",
    "heartbeat",
    "import",
    "key",
    "kind",
    "mass_death",
    "member",
    "principal",
    "token",
    "usage_batch",
];

/// What a server writes for itself: usage, which both sides would insert; history; and what decides nothing.
pub const KEPT: [&str; 11] = [
    "announced",
    "as_issued",
    "binding",
    "counting",
    "erased",
    "erased_id",
    "event",
    "signal",
    "usage",
    "usage_copy",
    "usage_hourly",
];

/// Publications of our tables, and what each does not bring of what readers need: the queries `ours` and `left_out`, of
/// which a row without a finding says nothing. `$1` is [`PUBLISHED`].
macro_rules! left_out {
    () => {
        "ours AS (
             SELECT p.pubname, p.puballtables,
                    p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS is_whole,
                    array_agg(t.tablename::text) AS tables
               FROM pg_publication p
               JOIN pg_publication_tables t ON t.pubname = p.pubname
              WHERE t.schemaname = 'tokenauth'
              GROUP BY p.oid),
         left_out AS (
             SELECT pubname, 2 AS place,
                    'does not publish ' || (SELECT string_agg(t, ', ' ORDER BY t) FROM unnest($1) t
                                             WHERE t <> ALL (tables) AND to_regclass('tokenauth.' || t) IS NOT NULL)
                        AS finding
               FROM ours WHERE tables && '{token,heartbeat}'
             UNION ALL
             SELECT pubname, 3, 'does not publish every change' FROM ours WHERE NOT is_whole
             UNION ALL
             SELECT p.pubname, 4, format('publishes %s in part', string_agg(r.prrelid::regclass::text, ', '))
               FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
               JOIN pg_class c ON c.oid = r.prrelid
              WHERE c.relnamespace = 'tokenauth'::regnamespace AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)
              GROUP BY p.pubname)"
    };
}
pub(crate) use left_out;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::roles::extension::SCRIPTS;

    /// Tables of the scripts that make them.
    fn tables() -> Vec<&'static str> {
        let name = |rest: &'static str| rest.split([' ', '(']).next().unwrap_or_default();
        SCRIPTS.split("CREATE TABLE tokenauth.").skip(1).map(name).collect()
    }

    #[test]
    fn every_table_is_either_published_or_kept() {
        let tables = tables();
        assert!(tables.len() > 10, "{tables:?}");
        for table in &tables {
            assert_ne!(PUBLISHED.contains(table), KEPT.contains(table), "{table}");
        }
        for kept in KEPT {
            assert!(tables.contains(&kept), "{kept}");
        }
    }
}
