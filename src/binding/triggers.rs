//! The triggers of bindings: those that exist, and those that should.

use super::definition::Definition;
use super::source::Source;
use crate::pg::memory::copied;
use crate::pg::statement::{Statement, arguments, run_command};
use crate::pg::table::Table;
use crate::pg::text::Text;

/// A binding as its triggers describe it.
pub struct Bound {
    /// The table.
    pub table: Table,
    /// Its name with its schema, quoted.
    pub table_name: Text,
    /// The arguments of the triggers.
    pub arguments: Vec<Text>,
    /// Whether `bind_principals` or `bind_members` made the triggers; otherwise they are written by hand.
    pub is_installed: bool,
}

/// All bindings: each table with each list of arguments that its triggers have, the most frequent list first.
pub fn bindings() -> Vec<Bound> {
    // Found by their dependency on the function, which is indexed; pg_trigger has no index on the function.
    static FIND: Statement = Statement::new(
        "SELECT c.oid::regclass, format('%I.%I', n.nspname, c.relname), t.tgargs,
                bool_or(starts_with(t.tgname::text, 'tokenauth_principals_'))
           FROM pg_depend d
           JOIN pg_trigger t ON t.oid = d.objid
           JOIN pg_class c ON c.oid = t.tgrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE d.classid = 'pg_trigger'::regclass
            AND d.refclassid = 'pg_proc'::regclass
            AND d.refobjid = (SELECT p.oid FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
                               WHERE s.nspname = 'tokenauth' AND p.proname = 'sync_principal')
            AND t.tgparentid = 0
            AND NOT c.relispartition
          GROUP BY c.oid, n.nspname, c.relname, t.tgargs
          ORDER BY c.oid, count(*) DESC, t.tgargs",
    );
    FIND.all(&[], |row| Bound {
        table: row.required(1),
        table_name: row.required(2),
        arguments: split(row.bytes(3).unwrap_or_default()),
        is_installed: row.required(4),
    })
}

/// The arguments of a trigger, each ended by a zero byte in the catalog.
fn split(arguments: &[u8]) -> Vec<Text> {
    arguments
        .strip_suffix(b"\0")
        .map(|all| all.split(|&byte| byte == 0).map(|one| Text::from(copied(one))).collect())
        .unwrap_or_default()
}

/// Inverse of [`split`].
fn joined(arguments: &[Text]) -> Vec<u8> {
    arguments.iter().flat_map(|one| [one.as_bytes(), b"\0"]).flatten().copied().collect()
}

/// The triggers that should exist on a table and its partitions, next to those that do. Takes as arguments of a
/// statement the table, and the arguments of the triggers as the catalog stores them.
///
/// An ordinary table has statement triggers, which work on sets, and a row trigger for logical apply, which fires no
/// statement triggers. A partitioned table has row triggers, which later partitions inherit as clones. TRUNCATE fires
/// triggers only of the tables it empties, so each partition needs its own, BEFORE, while its rows exist.
macro_rules! wanted {
    ($select:literal) => {
        concat!(
            "WITH expected (on_kind, is_clone, name, type, enabled, timing, level) AS (VALUES
                 ('r', false, 'tokenauth_principals_insert', 4, 'O', 'AFTER INSERT',
                  'REFERENCING NEW TABLE AS tokenauth_new FOR EACH STATEMENT'),
                 ('r', false, 'tokenauth_principals_update', 16, 'O', 'AFTER UPDATE',
                  'REFERENCING OLD TABLE AS tokenauth_old NEW TABLE AS tokenauth_new FOR EACH STATEMENT'),
                 ('r', false, 'tokenauth_principals_delete', 8, 'O', 'AFTER DELETE',
                  'REFERENCING OLD TABLE AS tokenauth_old FOR EACH STATEMENT'),
                 ('r', false, 'tokenauth_principals_apply', 29, 'R', 'AFTER INSERT OR UPDATE OR DELETE',
                  'FOR EACH ROW'),
                 ('p', false, 'tokenauth_principals_row', 29, 'A', 'AFTER INSERT OR UPDATE OR DELETE',
                  'FOR EACH ROW'),
                 ('s', true, 'tokenauth_principals_row', 29, 'A', '', ''),
                 ('rp', false, 'tokenauth_principals_truncate', 32, 'A', 'AFTER TRUNCATE', 'FOR EACH STATEMENT'),
                 ('s', false, 'tokenauth_principals_truncate', 34, 'A', 'BEFORE TRUNCATE', 'FOR EACH STATEMENT')),
             relation AS (
                 SELECT c.oid, c.relname, n.nspname, CASE WHEN c.oid <> $1 THEN 's' ELSE c.relkind::text END AS kind
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  -- A table without partitions is not in its own partition tree.
                  WHERE c.oid = $1 OR c.relkind IN ('r', 'p') AND c.oid IN (SELECT relid FROM pg_partition_tree($1))),
             wanted AS (
                 SELECT r.oid, e.is_clone, e.name, e.timing, e.level, e.enabled,
                        format('%I.%I', r.nspname, r.relname) AS relation,
                        t.oid IS NULL AS is_missing,
                        t.tgtype <> e.type OR t.tgargs <> $2 OR t.tgqual IS NOT NULL AS is_other,
                        t.tgenabled AS is_enabled,
                        t.tgenabled <> e.enabled::\"char\" AS fires_otherwise
                   FROM relation r
                   JOIN expected e ON position(r.kind IN e.on_kind) > 0
                   LEFT JOIN pg_trigger t ON t.tgrelid = r.oid AND t.tgname = e.name) ",
            $select
        )
    };
}

/// Creates, replaces and enables triggers on the table and its partitions until they are as they should be.
pub fn install(source: &Source, definition: &Definition) {
    static COMMANDS: Statement = Statement::new(wanted!(
        "SELECT CASE WHEN is_other AND NOT is_clone THEN format('DROP TRIGGER %I ON %s', name, relation) END,
                CASE WHEN (is_missing OR is_other) AND NOT is_clone
                     THEN format('CREATE TRIGGER %I %s ON %s %s EXECUTE FUNCTION tokenauth.sync_principal(%s)',
                                 name, timing, relation, level,
                                 (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.place)
                                    FROM unnest($3) WITH ORDINALITY AS a (argument, place))) END,
                CASE WHEN CASE WHEN is_missing OR is_other THEN enabled <> 'O' ELSE fires_otherwise END
                     THEN format('ALTER TABLE %s ENABLE %s TRIGGER %I', relation,
                                 CASE enabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END, name) END
           FROM wanted
          WHERE is_missing OR is_other OR fires_otherwise
          -- Those of a root first: its partitions get clones of them.
          ORDER BY oid <> $1, oid, name"
    ));
    let arguments = definition.arguments();
    let given: Vec<Option<Text>> = arguments.iter().cloned().map(Some).collect();
    let commands = COMMANDS.all(arguments![source.table.oid(), joined(&arguments), given], |row| {
        [1, 2, 3].map(|column| row.optional::<Text>(column))
    });
    for command in commands.iter().flatten().flatten() {
        run_command(command.as_bytes());
    }
}

/// Whether [`install`] would drop a trigger, as the table is now.
pub fn install_drops(source: &Source, definition: &Definition) -> bool {
    static FIND: Statement = Statement::new(wanted!("SELECT FROM wanted WHERE is_other AND NOT is_clone LIMIT 1"));
    FIND.run(arguments![source.table.oid(), joined(&definition.arguments())]) > 0
}

/// Drops the triggers from the table and its partitions, and returns how many there were.
pub fn drop(source: &Source) -> usize {
    static COMMANDS: Statement = Statement::new(wanted!(
        "SELECT format('DROP TRIGGER %I ON %s', name, relation)
           FROM wanted WHERE NOT is_missing AND NOT is_clone ORDER BY oid, name"
    ));
    let commands = COMMANDS.all(arguments![source.table.oid(), Vec::<u8>::new()], |row| row.required::<Text>(1));
    for command in &commands {
        run_command(command.as_bytes());
    }
    commands.len()
}

/// A trigger that is not as it should be.
pub struct Fault {
    /// The trigger and its table, quoted.
    pub trigger: Text,
    /// What is wrong with it.
    pub finding: Text,
}

/// Compares the triggers of a binding with those that should exist.
pub fn faults(binding: &Bound) -> Vec<Fault> {
    static COMPARE: Statement = Statement::new(wanted!(
        "SELECT format('%I on %s', name, relation),
                CASE WHEN is_missing THEN 'trigger is missing'
                     WHEN is_other THEN 'trigger is not as it was installed'
                     WHEN is_enabled = 'D' THEN 'trigger is disabled'
                     ELSE 'trigger fires at other times than it was installed for' END
           FROM wanted
          WHERE is_missing OR is_other OR fires_otherwise
          ORDER BY relation, name"
    ));
    COMPARE.all(arguments![binding.table.oid(), joined(&binding.arguments)], |row| Fault {
        trigger: row.required(1),
        finding: row.required(2),
    })
}
