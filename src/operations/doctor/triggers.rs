//! Checks the triggers of our tables: that those are there which were installed, and that no others, nor rules or
//! policies, keep rows from being written.

use super::schema::found;
use crate::error::finding::Finding;
use crate::pg::sql::statement::{Argument, Statement};
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;

/// A trigger that the extension installs.
struct Installed {
    table: &'static str,
    name: &'static str,
    /// As in `pg_trigger.tgenabled`: A, always; R, in the role of a replica; O, otherwise.
    enabled: &'static str,
    /// On what it fires, as `pg_get_triggerdef` words it.
    on: &'static str,
    /// For what it fires, and what it runs.
    runs: &'static str,
}

const fn installed(
    table: &'static str,
    name: &'static str,
    enabled: &'static str,
    on: &'static str,
    runs: &'static str,
) -> Installed {
    Installed { table, name, enabled, on, runs }
}

/// Before any change.
const CHANGE: &str = "BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE";

/// What signals do for each statement, and for each row.
const SIGNAL: &str = "STATEMENT EXECUTE FUNCTION tokenauth.signal_change()";
const SIGNAL_ROW: &str = "ROW EXECUTE FUNCTION tokenauth.signal_change()";
const GUARD: &str = "STATEMENT EXECUTE FUNCTION tokenauth.guard_copied()";

/// All of them.
const INSTALLED: [Installed; 29] = [
    installed("change", "follow", "R", "AFTER DELETE", "ROW EXECUTE FUNCTION tokenauth.follow_beats()"),
    installed("change", "guard_copied", "A", CHANGE, GUARD),
    installed("derived_death", "signal", "A", CHANGE, "STATEMENT EXECUTE FUNCTION tokenauth.signal_derived_death()"),
    installed(
        "derived_death",
        "signal_row",
        "A",
        "AFTER INSERT OR DELETE OR UPDATE",
        "ROW EXECUTE FUNCTION tokenauth.signal_derived_death()",
    ),
    installed(
        "event",
        "append_only",
        "A",
        "BEFORE DELETE OR UPDATE OR TRUNCATE",
        "STATEMENT EXECUTE FUNCTION tokenauth.refuse_change()",
    ),
    installed("event", "guard_copied", "A", "BEFORE INSERT", GUARD),
    installed(
        "heartbeat",
        "follow",
        "R",
        "BEFORE INSERT OR DELETE OR UPDATE",
        "ROW EXECUTE FUNCTION tokenauth.follow_beats()",
    ),
    installed(
        "heartbeat",
        "follow_truncate",
        "R",
        "AFTER TRUNCATE",
        "STATEMENT EXECUTE FUNCTION tokenauth.follow_beats()",
    ),
    installed("heartbeat", "guard_copied", "A", CHANGE, GUARD),
    installed("import", "signal", "A", CHANGE, SIGNAL),
    installed("import", "signal_apply", "R", "AFTER INSERT OR DELETE OR UPDATE", SIGNAL_ROW),
    installed("key", "guard_copied", "A", CHANGE, GUARD),
    installed("kind", "guard", "A", "BEFORE INSERT OR DELETE OR UPDATE", "ROW EXECUTE FUNCTION tokenauth.guard_kind()"),
    installed("kind", "guard_truncate", "A", "AFTER TRUNCATE", "STATEMENT EXECUTE FUNCTION tokenauth.guard_kind()"),
    installed(
        "kind",
        "record",
        "O",
        "AFTER INSERT OR DELETE OR UPDATE",
        "ROW EXECUTE FUNCTION tokenauth.record_kind()",
    ),
    installed("kind", "record_truncate", "O", "BEFORE TRUNCATE", "STATEMENT EXECUTE FUNCTION tokenauth.record_kind()"),
    installed("kind", "signal", "A", CHANGE, SIGNAL),
    installed("kind", "signal_row", "A", "AFTER DELETE OR UPDATE", SIGNAL_ROW),
    installed("mass_death", "guard_copied", "A", CHANGE, GUARD),
    installed("member", "guard_copied", "A", CHANGE, GUARD),
    installed("principal", "signal", "A", CHANGE, SIGNAL),
    installed(
        "principal",
        "signal_delete",
        "A",
        "AFTER DELETE",
        "ROW WHEN (tokenauth.signal_principal(old.principal, old.principal)) EXECUTE FUNCTION tokenauth.signal_change()",
    ),
    installed(
        "principal",
        "signal_insert",
        "A",
        "AFTER INSERT",
        "ROW WHEN (((new.all_dead_before_epoch > 0) OR tokenauth.signal_principal(''::text, new.principal))) EXECUTE FUNCTION tokenauth.signal_change()",
    ),
    installed("principal", "signal_truncate", "A", "AFTER TRUNCATE", SIGNAL),
    installed(
        "principal",
        "signal_update",
        "A",
        "AFTER UPDATE",
        "ROW WHEN (tokenauth.signal_principal(old.principal, new.principal)) EXECUTE FUNCTION tokenauth.signal_change()",
    ),
    installed("token", "signal", "A", CHANGE, SIGNAL),
    installed(
        "token",
        "signal_delete",
        "A",
        "AFTER DELETE",
        "ROW WHEN (tokenauth.signal_token(old.lookup, old.lookup)) EXECUTE FUNCTION tokenauth.signal_change()",
    ),
    installed(
        "token",
        "signal_update",
        "A",
        "AFTER UPDATE",
        "ROW WHEN (tokenauth.signal_token(old.lookup, new.lookup)) EXECUTE FUNCTION tokenauth.signal_change()",
    ),
    installed("usage_batch", "guard_copied", "A", CHANGE, GUARD),
];

/// Triggers that are not as they were installed, and what others may do to rows.
pub fn findings() -> Vec<Finding> {
    let mut findings = altered();
    findings.extend(withheld_rows());
    findings
}

fn altered() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT format('trigger %I on tokenauth.%I', w.name, w.on_table),
                CASE WHEN t.oid IS NULL THEN 'is missing'
                     WHEN t.tgenabled = 'D' THEN 'is disabled'
                     WHEN t.tgenabled <> w.enabled::\"char\" THEN 'fires at other times than it was installed for'
                     ELSE 'is another one than was installed' END,
                CASE WHEN t.tgenabled <> w.enabled::\"char\"
                     THEN format('Use ALTER TABLE tokenauth.%I ENABLE%s TRIGGER %I.', w.on_table,
                                 CASE w.enabled WHEN 'A' THEN ' ALWAYS' WHEN 'R' THEN ' REPLICA' END, w.name)
                     ELSE 'Make it again what it is in a new database with this version of the extension.' END
           FROM unnest($1, $2, $3, $4) w (on_table, name, enabled, definition)
           JOIN pg_class c ON c.relname = w.on_table AND c.relnamespace = 'tokenauth'::regnamespace
          CROSS JOIN (SELECT to_regprocedure('tokenauth.guard_copied()') IS NOT NULL) v (is_newest)
           LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = w.name AND NOT t.tgisinternal
          WHERE (t.tgenabled IS DISTINCT FROM w.enabled::\"char\"
                 OR v.is_newest AND pg_get_triggerdef(t.oid) <> w.definition)
            -- Releases before 0.2.0 do not have them.
            AND (v.is_newest OR w.name NOT IN ('guard_copied', 'signal_insert', 'signal_truncate'))
          ORDER BY 1",
    );
    let definitions = INSTALLED.iter().map(|Installed { table, name, on, runs, .. }| {
        Text::from(&*format!("CREATE TRIGGER {name} {on} ON tokenauth.{table} FOR EACH {runs}"))
    });
    let [tables, names] = tables_and_names();
    let enabled = INSTALLED.iter().map(|trigger| trigger.enabled).collect::<TextArray>();
    found(&FIND, &[tables, names, Argument::of(enabled), Argument::of(definitions.collect::<TextArray>())])
}

/// What may keep rows of ours from being written, so that what was to die lives on. Some functions notice; of a statement
/// that changes many rows nobody knows how many there would have been.
fn withheld_rows() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT w.object, w.finding, w.hint
           FROM pg_class c
          CROSS JOIN LATERAL (
             SELECT format('trigger %I on %s', t.tgname, c.oid::regclass),
                    'may keep rows from being written, deaths among them',
                    'Have it fire AFTER, or see to it that it returns each row.'
               FROM pg_trigger t
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                -- BEFORE, FOR EACH ROW.
                AND t.tgtype & 3 = 3
                AND NOT EXISTS (SELECT FROM unnest($1, $2) ours (on_table, name)
                                 WHERE ours.on_table = c.relname AND ours.name = t.tgname)
             UNION ALL
             SELECT format('rule %I on %s', r.rulename, c.oid::regclass),
                    'keeps rows from being written, or makes statements of the extension fail', 'Drop it.'
               FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_enabled <> 'D'
             UNION ALL
             SELECT c.oid::regclass::text, 'has row security forced upon its owner, from whom policies may hide rows',
                    format('Use ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', c.oid::regclass)
               FROM pg_extension e JOIN pg_roles o ON o.oid = e.extowner
              WHERE e.extname = 'tokenauth' AND NOT o.rolsuper AND NOT o.rolbypassrls
                AND c.relrowsecurity AND c.relforcerowsecurity) w (object, finding, hint)
          WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind = 'r'
          ORDER BY 1, 2",
    );
    found(&FIND, &tables_and_names())
}

fn tables_and_names() -> [Argument; 2] {
    let tables = INSTALLED.iter().map(|trigger| trigger.table).collect::<TextArray>();
    let names = INSTALLED.iter().map(|trigger| trigger.name).collect::<TextArray>();
    [Argument::of(tables), Argument::of(names)]
}
