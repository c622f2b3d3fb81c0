//! The triggers that `bind_principals` and `bind_members` install: those that must exist, next to those that do.

use super::definition::Definition;
use super::source::Source;
use super::triggers::{Bound, joined};
use crate::pg::scan::relation::{Out, Table};
use crate::pg::sql::statement::{Argument, Statement, arguments, run_command};
use crate::pg::types::text::Text;

/// The triggers that must exist on a table and its partitions, next to those that do. Takes as arguments of a statement
/// the table, the arguments of the triggers as the catalog stores them, and the first of these.
///
/// An ordinary table has statement triggers, which work on sets, and a row trigger for logical apply, which fires no
/// statement triggers. A partitioned table has row triggers, which later partitions inherit as clones. TRUNCATE fires
/// triggers only of the tables it empties, so each partition needs its own, BEFORE, while its rows exist.
///
/// A trigger is known by what it does, not by its name, which anybody may change: `wanted` has one row for each that
/// must exist, with the one `found`; `stray` has those of this type that are none of them.
macro_rules! wanted {
    ($select:literal) => {
        concat!(
            "WITH expected (on_kind, is_clone, name, type, enabled, timing, level, has_old, has_new) AS (VALUES
                 ('r', false, 'tokenauth_principals_insert', 4, 'O', 'AFTER INSERT',
                  'REFERENCING NEW TABLE AS tokenauth_new FOR EACH STATEMENT', false, true),
                 ('r', false, 'tokenauth_principals_update', 16, 'O', 'AFTER UPDATE',
                  'REFERENCING OLD TABLE AS tokenauth_old NEW TABLE AS tokenauth_new FOR EACH STATEMENT', true, true),
                 ('r', false, 'tokenauth_principals_delete', 8, 'O', 'AFTER DELETE',
                  'REFERENCING OLD TABLE AS tokenauth_old FOR EACH STATEMENT', true, false),
                 ('r', false, 'tokenauth_principals_apply', 29, 'R', 'AFTER INSERT OR UPDATE OR DELETE',
                  'FOR EACH ROW', false, false),
                 ('p', false, 'tokenauth_principals_row', 29, 'A', 'AFTER INSERT OR UPDATE OR DELETE',
                  'FOR EACH ROW', false, false),
                 ('s', true, 'tokenauth_principals_row', 29, 'A', '', '', false, false),
                 ('rp', false, 'tokenauth_principals_truncate', 32, 'A', 'AFTER TRUNCATE',
                  'FOR EACH STATEMENT', false, false),
                 ('s', false, 'tokenauth_principals_truncate', 34, 'A', 'BEFORE TRUNCATE',
                  'FOR EACH STATEMENT', false, false)),
             relation AS (
                 SELECT c.oid, CASE WHEN c.oid <> $1 THEN 's' ELSE c.relkind::text END AS kind,
                        format('%I.%I', n.nspname, c.relname) AS name
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  -- A table without partitions is not in its own partition tree.
                  WHERE c.oid = $1 OR c.relkind IN ('r', 'p') AND c.oid IN (SELECT relid FROM pg_partition_tree($1))),
             ours AS (
                 SELECT t.*
                   FROM relation r
                   JOIN pg_trigger t ON t.tgrelid = r.oid
                  WHERE t.tgfoid = (SELECT p.oid FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
                                     WHERE s.nspname = 'tokenauth' AND p.proname = 'sync_principal')
                    AND substring(t.tgargs FROM 1 FOR length($3)) = $3),
             wanted AS (
                 SELECT r.oid, r.name AS relation, e.name, e.is_clone, e.timing, e.level, e.enabled,
                        o.oid AS found, o.tgname AS found_name, o.tgenabled AS found_enabled,
                        EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.oid AND t.tgname = e.name) AS has_namesake
                   FROM relation r
                   JOIN expected e ON position(r.kind IN e.on_kind) > 0
                   LEFT JOIN LATERAL (
                        SELECT o.oid, o.tgname, o.tgenabled
                          FROM ours o
                         WHERE o.tgrelid = r.oid AND (o.tgparentid <> 0) = e.is_clone AND o.tgtype = e.type
                           AND o.tgargs = $2 AND o.tgqual IS NULL AND o.tgattr::text = '' AND o.tgconstraint = 0
                           AND (o.tgoldtable IS NOT NULL) = e.has_old AND (o.tgnewtable IS NOT NULL) = e.has_new
                         ORDER BY o.tgname <> e.name, o.tgenabled <> e.enabled::\"char\", o.tgname
                         LIMIT 1) o ON true),
             stray AS (
                 SELECT r.oid, r.name AS relation, o.tgname AS name
                   FROM ours o
                   JOIN relation r ON r.oid = o.tgrelid
                  WHERE o.tgparentid = 0
                    AND NOT EXISTS (SELECT FROM wanted w WHERE w.found = o.oid)) ",
            $select
        )
    };
}

/// Creates, replaces and enables triggers on the table and its partitions until they are as they must be.
pub fn install(source: &Source, definition: &Definition) {
    for (command, _) in commands(source, definition) {
        run_command(command.as_bytes());
    }
}

/// Whom [`install`] locks out of the table as it is now: dropping a trigger locks out everybody.
pub fn lock_to_install(source: &Source, definition: &Definition) -> Out {
    let drops = commands(source, definition).iter().any(|(_, is_drop)| *is_drop);
    if drops { Out::Everybody } else { Out::Writers }
}

/// As [`lock_to_install`], for [`drop`] before it.
pub fn lock_to_replace(source: &Source, definition: &Definition) -> Out {
    if drops(source).is_empty() { lock_to_install(source, definition) } else { Out::Everybody }
}

/// The commands of [`install`], and whether each drops a trigger.
fn commands(source: &Source, definition: &Definition) -> Vec<(Text, bool)> {
    // Where anything but the time of firing is wrong, all triggers of the table are made anew, and if that is a
    // partitioned table those of its partitions with it: they get clones.
    static COMMANDS: Statement = Statement::new(wanted!(
        ", broken AS (
             SELECT CASE WHEN is_clone THEN $1 ELSE oid END AS oid FROM wanted WHERE found IS NULL
             UNION SELECT oid FROM stray),
           rebuilt AS (
             SELECT r.* FROM relation r
              WHERE r.oid IN (SELECT oid FROM broken) OR $1 IN (SELECT oid FROM broken)),
           command (step, oid, name, text) AS (
             SELECT 1, r.oid, t.tgname, format('DROP TRIGGER %I ON %s', t.tgname, r.name)
               FROM rebuilt r
               JOIN pg_trigger t ON t.tgrelid = r.oid AND t.tgparentid = 0 AND NOT t.tgisinternal
              WHERE t.oid IN (SELECT oid FROM ours)
                 OR t.tgname IN (SELECT e.name FROM expected e WHERE position(r.kind IN e.on_kind) > 0)
             UNION ALL
             SELECT 2, w.oid, w.name,
                    format('CREATE TRIGGER %I %s ON %s %s EXECUTE FUNCTION tokenauth.sync_principal(%s)',
                           w.name, w.timing, w.relation, w.level,
                           (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.place)
                              FROM unnest($4) WITH ORDINALITY AS a (argument, place)))
               FROM wanted w
              WHERE NOT w.is_clone AND w.oid IN (SELECT oid FROM rebuilt)
             UNION ALL
             SELECT 3, w.oid, w.name,
                    format('ALTER TABLE %s ENABLE %s TRIGGER %I', w.relation,
                           CASE w.enabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END,
                           CASE WHEN m.is_made THEN w.name ELSE w.found_name END)
               FROM wanted w
              -- A clone is made with the trigger of the root.
              CROSS JOIN LATERAL (SELECT CASE WHEN w.is_clone THEN $1 ELSE w.oid END
                                         IN (SELECT oid FROM rebuilt)) AS m (is_made)
              WHERE CASE WHEN m.is_made THEN w.enabled <> 'O' ELSE w.found_enabled <> w.enabled::\"char\" END)
         -- The root first: its partitions get clones.
         SELECT text, step = 1 FROM command ORDER BY step, oid <> $1, oid, name"
    ));
    let arguments = definition.arguments();
    let given: Vec<Option<Text>> = arguments.iter().cloned().map(Some).collect();
    let [table, all, first] = described(source.table, &arguments);
    COMMANDS.all(&[table, all, first, Argument::of(given)], |row| (row.required(1), row.required(2)))
}

/// Drops the triggers of our function from the table, and from its partitions those that belonged to them; a partition
/// keeps those of the table it is part of. Returns the types they were for, `''` for memberships.
pub fn drop(source: &Source) -> Vec<Text> {
    let mut types = Vec::new();
    for (command, of_type) in drops(source) {
        run_command(command.as_bytes());
        types.push(of_type);
    }
    types.sort();
    types.dedup();
    types
}

/// The commands of [`drop`], each with the type that its trigger is for.
fn drops(source: &Source) -> Vec<(Text, Text)> {
    static COMMANDS: Statement = Statement::new(
        "WITH ours AS (
             SELECT t.tgrelid, t.tgname, t.tgtype,
                    substring(t.tgargs FROM 1 FOR position(decode('00', 'hex') IN t.tgargs)) AS of_type
               FROM pg_trigger t
              WHERE t.tgfoid = (SELECT p.oid FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
                                 WHERE s.nspname = 'tokenauth' AND p.proname = 'sync_principal')
                AND t.tgparentid = 0
                AND (t.tgrelid = $1
                     OR t.tgrelid IN (SELECT relid FROM pg_partition_ancestors($1))
                     OR t.tgrelid IN (SELECT relid FROM pg_partition_tree($1)))),
         above AS (
             SELECT relid FROM pg_partition_ancestors($1) WHERE relid <> $1),
         own AS (
             SELECT o.* FROM ours o
              WHERE o.tgrelid = $1
                AND NOT (o.tgtype = 34 AND EXISTS (SELECT FROM ours b
                                                    WHERE b.tgrelid IN (SELECT relid FROM above)
                                                      AND b.tgtype <> 34 AND b.of_type = o.of_type))),
         dropped AS (
             SELECT * FROM own
             UNION ALL
             SELECT o.* FROM ours o
              WHERE o.tgrelid <> $1 AND o.tgrelid NOT IN (SELECT relid FROM above) AND o.tgtype = 34
                AND (o.of_type IN (SELECT of_type FROM own) OR NOT EXISTS (SELECT FROM above))
                -- Its own, should it have a set written by hand.
                AND NOT EXISTS (SELECT FROM ours b
                                 WHERE b.tgrelid = o.tgrelid AND b.tgtype <> 34 AND b.of_type = o.of_type))
         SELECT format('DROP TRIGGER %I ON %I.%I', x.tgname, n.nspname, c.relname),
                encode(trim(TRAILING decode('00', 'hex') FROM x.of_type), 'escape')
           FROM dropped x
           JOIN pg_class c ON c.oid = x.tgrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
          ORDER BY c.oid <> $1, c.oid, x.tgname",
    );
    COMMANDS.all(arguments![source.table], |row| (row.required(1), row.required(2)))
}

/// A trigger that is not as it must be.
pub struct Fault {
    /// The trigger and its table, quoted.
    pub trigger: Text,
    /// What is wrong with it.
    pub finding: Text,
}

/// Compares the triggers of a binding with those that must exist.
pub fn faults(binding: &Bound) -> Vec<Fault> {
    static COMPARE: Statement = Statement::new(wanted!(
        ", fault (relation, name, finding) AS (
             SELECT relation, coalesce(found_name, name),
                    CASE WHEN found IS NULL AND has_namesake THEN 'trigger is not as it was installed'
                         WHEN found IS NULL THEN 'trigger is missing'
                         WHEN found_enabled = 'D' THEN 'trigger is disabled'
                         ELSE 'trigger fires at other times than it was installed for' END
               FROM wanted
              WHERE found IS NULL OR found_enabled <> enabled::\"char\"
             UNION ALL
             SELECT relation, name, 'trigger is not one of those that were installed'
               FROM stray s
              WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.oid = s.oid AND w.name = s.name AND w.found IS NULL))
         SELECT format('%I on %s', name, relation), finding FROM fault ORDER BY relation, name"
    ));
    COMPARE.all(&described(binding.table, &binding.arguments), |row| Fault {
        trigger: row.required(1),
        finding: row.required(2),
    })
}

/// The arguments that [`wanted!`] takes.
fn described(table: Table, arguments: &[Text]) -> [Argument; 3] {
    let first = &arguments[..arguments.len().min(1)];
    [Argument::of(table.oid()), Argument::of(joined(arguments)), Argument::of(joined(first))]
}
