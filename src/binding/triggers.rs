//! The triggers of a binding: which there are, which there ought to be.

use super::definition::Definition;
use super::source::Source;
use crate::pg::statement::{Statement, arguments, run_command};
use crate::pg::table::Table;
use crate::pg::text::Text;

/// A binding as its triggers tell it.
pub struct Bound {
    /// The table.
    pub table: Table,
    /// Its name with its schema, quoted.
    pub table_name: Text,
    /// What the triggers are given.
    pub arguments: Vec<Text>,
}

/// All bindings: each table with each list of arguments its triggers have, clones on partitions left out.
pub fn bindings() -> Vec<Bound> {
    // Found by their dependency on the function, which has an index; pg_trigger has none on it.
    static FIND: Statement = Statement::new(
        "SELECT DISTINCT t.tgrelid::regclass, format('%I.%I', n.nspname, c.relname), t.tgargs
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
          ORDER BY 1, 3",
    );
    FIND.all(&[], |row| Bound {
        table: row.required(1),
        table_name: row.required(2),
        arguments: split(row.bytes(3).unwrap_or_default()),
    })
}

/// The arguments of a trigger, each ended by a zero byte in the catalog.
fn split(arguments: &[u8]) -> Vec<Text> {
    arguments
        .strip_suffix(b"\0")
        .map(|all| all.split(|&byte| byte == 0).map(|one| Text::from(one.to_vec())).collect())
        .unwrap_or_default()
}

/// What there ought to be on a table: the trigger's name, its `tgtype` and `tgenabled`, and the command that makes it
/// with the one that sets when it fires. Arguments: the table, its kind, the arguments of the trigger.
macro_rules! expected {
    ($select:literal) => {
        concat!(
            "WITH expected (on_kind, name, type, enabled, timing, level) AS (VALUES
                 ('r', 'tokenauth_principals_insert', 4, 'O', 'AFTER INSERT',
                  'REFERENCING NEW TABLE AS tokenauth_new FOR EACH STATEMENT'),
                 ('r', 'tokenauth_principals_update', 16, 'O', 'AFTER UPDATE',
                  'REFERENCING OLD TABLE AS tokenauth_old NEW TABLE AS tokenauth_new FOR EACH STATEMENT'),
                 ('r', 'tokenauth_principals_delete', 8, 'O', 'AFTER DELETE',
                  'REFERENCING OLD TABLE AS tokenauth_old FOR EACH STATEMENT'),
                 ('r', 'tokenauth_principals_apply', 29, 'R', 'AFTER INSERT OR UPDATE OR DELETE', 'FOR EACH ROW'),
                 ('p', 'tokenauth_principals_row', 29, 'A', 'AFTER INSERT OR UPDATE OR DELETE', 'FOR EACH ROW'),
                 ('rp', 'tokenauth_principals_truncate', 32, 'A', 'AFTER TRUNCATE', 'FOR EACH STATEMENT'),
                 ('s', 'tokenauth_principals_truncate', 34, 'A', 'BEFORE TRUNCATE', 'FOR EACH STATEMENT')),
             relation AS (
                 SELECT c.oid, c.relname, n.nspname,
                        CASE WHEN c.oid <> $1 THEN 's' ELSE c.relkind::text END AS kind
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  -- A table without partitions is not in its own partition tree.
                  WHERE c.oid = $1 OR c.relkind IN ('r', 'p') AND c.oid IN (SELECT relid FROM pg_partition_tree($1))),
             wanted AS (
                 SELECT r.*, e.name, e.type, e.enabled, e.timing, e.level,
                        t.oid AS trigger, t.tgtype, t.tgenabled, t.tgargs, t.tgqual
                   FROM relation r
                   JOIN expected e ON position(r.kind IN e.on_kind) > 0
                   LEFT JOIN pg_trigger t ON t.tgrelid = r.oid AND t.tgname = e.name) ",
            $select
        )
    };
}

/// Makes those that are missing on the table and its partitions, and answers how many that were.
pub fn create(source: &Source, definition: &Definition) -> usize {
    static COMMANDS: Statement = Statement::new(expected!(
        "SELECT format('CREATE TRIGGER %I %s ON %I.%I %s EXECUTE FUNCTION tokenauth.sync_principal(%s)',
                       name, timing, nspname, relname, level,
                       (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.place)
                          FROM unnest($2) WITH ORDINALITY AS a (argument, place))),
                CASE enabled WHEN 'O' THEN NULL
                             ELSE format('ALTER TABLE %I.%I ENABLE %s TRIGGER %I', nspname, relname,
                                         CASE enabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END, name) END
           FROM wanted WHERE trigger IS NULL ORDER BY oid, name"
    ));
    let given: Vec<Option<Text>> = definition.arguments().into_iter().map(Some).collect();
    let commands = COMMANDS.all(arguments![source.table.oid(), given], |row| {
        [Some(row.required::<Text>(1)), row.optional::<Text>(2)]
    });
    for command in commands.iter().flatten().flatten() {
        run_command(command.as_bytes());
    }
    commands.len()
}

/// Drops all of them from the table and its partitions, and answers how many that were.
pub fn drop(source: &Source) -> usize {
    static COMMANDS: Statement = Statement::new(expected!(
        "SELECT format('DROP TRIGGER %I ON %I.%I', name, nspname, relname)
           FROM wanted WHERE trigger IS NOT NULL ORDER BY oid, name"
    ));
    let commands = COMMANDS.all(arguments![source.table.oid()], |row| row.required::<Text>(1));
    for command in &commands {
        run_command(command.as_bytes());
    }
    commands.len()
}

/// A trigger that is not as it ought to be.
pub struct Fault {
    /// The trigger and its table, quoted.
    pub trigger: Text,
    /// `missing`, `disabled` or `changed`.
    pub finding: Text,
}

/// Compares what there is with what there ought to be.
pub fn faults(table: Table) -> Vec<Fault> {
    static COMPARE: Statement = Statement::new(expected!(
        "SELECT format('trigger %I on %I.%I', name, nspname, relname),
                CASE WHEN trigger IS NULL THEN 'missing'
                     WHEN tgenabled = 'D' THEN 'disabled'
                     ELSE 'changed' END
           FROM wanted
          WHERE trigger IS NULL OR tgenabled <> enabled::\"char\" OR tgtype <> type OR tgqual IS NOT NULL
             OR tgargs IS DISTINCT FROM (SELECT tgargs FROM pg_trigger
                                          WHERE tgrelid = $1 AND tgname = 'tokenauth_principals_truncate')
          ORDER BY 1"
    ));
    COMPARE.all(arguments![table.oid()], |row| Fault {
        trigger: row.required(1),
        finding: row.required(2),
    })
}
