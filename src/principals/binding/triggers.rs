//! The triggers of bindings, found by their function: whatever their names, these are what acts.

use super::definition::Definition;
use crate::error::Error;
use crate::pg::scan::relation::Table;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::memory::copied;
use crate::pg::types::text::Text;

/// A binding as its triggers describe it.
pub struct Bound {
    pub table: Table,
    /// Its name with its schema, quoted.
    pub table_name: Text,
    /// The arguments of the triggers.
    pub arguments: Vec<Text>,
    /// Whether `bind_principals` or `bind_members` made the triggers; otherwise they are written by hand.
    pub is_installed: bool,
    /// Whether some fire for statements, not for rows.
    pub is_by_statement: bool,
}

impl Bound {
    /// What it says.
    ///
    /// # Errors
    /// 39P01 and others for arguments that make no binding, of a trigger written by hand.
    pub fn definition(&self) -> Result<Definition, Error> {
        Definition::of_arguments(&self.arguments)
    }

    /// Whether it makes principals of this type, or memberships for `''`.
    pub fn is_of(&self, of_type: &Text) -> bool {
        self.arguments.first() == Some(of_type)
    }

    fn is_same(&self, other: &Bound) -> bool {
        self.table == other.table && self.arguments.first() == other.arguments.first()
    }
}

/// The triggers `t` of our function, each with its table `c` and that table's schema `n`.
///
/// They are found by their dependency on the function, which is indexed; pg_trigger has no index on the function.
/// Clones on partitions are left out.
macro_rules! of_our_function {
    () => {
        "pg_depend d
           JOIN pg_trigger t ON t.oid = d.objid AND t.tgparentid = 0
           JOIN pg_class c ON c.oid = t.tgrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE d.classid = 'pg_trigger'::regclass
            AND d.refclassid = 'pg_proc'::regclass
            AND d.refobjid = (SELECT p.oid FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
                               WHERE s.nspname = 'tokenauth' AND p.proname = 'sync_principal') "
    };
}

/// All bindings: each table with each list of arguments that its triggers have, by name, the most frequent list first.
///
/// BEFORE TRUNCATE triggers (34) alone make none: they are those of a partition.
pub fn bindings() -> Vec<Bound> {
    static FIND: Statement = Statement::new(concat!(
        "SELECT c.oid::regclass, format('%I.%I', n.nspname, c.relname), t.tgargs,
                bool_or(starts_with(t.tgname::text, 'tokenauth_principals_')),
                bool_or(t.tgtype & 1 = 0 AND t.tgtype & 28 <> 0)
           FROM ",
        of_our_function!(),
        "GROUP BY c.oid, n.nspname, c.relname, t.tgargs
         HAVING bool_or(t.tgtype <> 34)
          ORDER BY n.nspname, c.relname, count(*) DESC, t.tgargs",
    ));
    FIND.all(&[], |row| Bound {
        table: row.required(1),
        table_name: row.required(2),
        arguments: split(row.bytes(3).unwrap_or_default()),
        is_installed: row.required(4),
        is_by_statement: row.required(5),
    })
}

/// As [`bindings`], but each table with each type only once: as most of its triggers say.
pub fn tables() -> Vec<Bound> {
    let mut tables: Vec<Bound> = Vec::new();
    for binding in bindings() {
        match tables.iter_mut().find(|known| known.is_same(&binding)) {
            Some(known) => {
                known.is_installed |= binding.is_installed;
                known.is_by_statement |= binding.is_by_statement;
            }
            None => tables.push(binding),
        }
    }
    tables
}

/// A BEFORE TRUNCATE trigger that a partition has kept although its table is no longer part of a bound one.
pub struct Remnant {
    /// The trigger and its table, quoted.
    pub trigger: Text,
    /// The table, quoted.
    pub table: Text,
}

/// The remnants on this table, or on all tables.
///
/// DETACH PARTITION drops the clones of row triggers, but not a trigger of the partition itself.
pub fn remnants(table: Option<Table>) -> Vec<Remnant> {
    static FIND: Statement = Statement::new(concat!(
        "WITH ours AS (
             SELECT t.tgrelid, t.tgname, t.tgtype, format('%I.%I', n.nspname, c.relname) AS name,
                    substring(t.tgargs FROM 1 FOR position(decode('00', 'hex') IN t.tgargs)) AS of_type
               FROM ",
        of_our_function!(),
        ")
         SELECT format('%I on %s', o.tgname, o.name), o.name
           FROM ours o
          WHERE o.tgtype = 34
            AND ($1 IS NULL OR o.tgrelid = $1)
            AND NOT EXISTS (SELECT FROM ours b
                             WHERE b.tgtype <> 34 AND b.of_type = o.of_type
                               AND (b.tgrelid = o.tgrelid
                                    OR b.tgrelid IN (SELECT relid FROM pg_partition_ancestors(o.tgrelid))))
          ORDER BY o.name, o.tgname"
    ));
    FIND.all(arguments![table], |row| Remnant { trigger: row.required(1), table: row.required(2) })
}

/// The arguments of a trigger, each ended by a zero byte in the catalog.
pub fn split(arguments: &[u8]) -> Vec<Text> {
    arguments
        .strip_suffix(b"\0")
        .map(|all| all.split(|&byte| byte == 0).map(|one| Text::from(copied(one))).collect())
        .unwrap_or_default()
}

/// Inverse of [`split`].
pub fn joined(arguments: &[Text]) -> Vec<u8> {
    arguments.iter().flat_map(|one| [one.as_bytes(), b"\0"]).flatten().copied().collect()
}
