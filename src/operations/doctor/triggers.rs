//! Checks the triggers of our tables: that those are there which were installed, and that no others, nor rules or
//! policies, keep rows from being written.

use super::found;
use crate::error::finding::Finding;
use crate::pg::sql::statement::{Argument, Statement};
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;

/// Before any change, and after one of a row.
const CHANGE: &str = "BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE";
const CHANGED: &str = "AFTER INSERT OR DELETE OR UPDATE";

/// For each row, which the conditions tell to whoever caches it, or only where somebody has written it by hand.
const TOKEN_CHANGED: &str = "ROW WHEN (tokenauth.signal_token(old.lookup, new.lookup))";
const TOKEN_GONE: &str = "ROW WHEN (tokenauth.signal_token(old.lookup, old.lookup))";
const PRINCIPAL_NEW: &str =
    "ROW WHEN (((new.all_dead_before_epoch > 0) OR tokenauth.signal_principal(''::text, new.principal)))";
const PRINCIPAL_CHANGED: &str = "ROW WHEN (tokenauth.signal_principal(old.principal, new.principal))";
const PRINCIPAL_GONE: &str = "ROW WHEN (tokenauth.signal_principal(old.principal, old.principal))";

/// The triggers that the extension installs, as `pg_get_triggerdef` words them: table, name, `pg_trigger.tgenabled` (A,
/// always; R, in the role of a replica; O, otherwise), on what it fires, for each what, and the function.
const INSTALLED: [[&str; 6]; 29] = [
    ["change", "follow", "R", "AFTER DELETE", "ROW", "follow_beats"],
    ["change", "guard_copied", "A", CHANGE, "STATEMENT", "guard_copied"],
    ["derived_death", "signal", "A", CHANGE, "STATEMENT", "signal_derived_death"],
    ["derived_death", "signal_row", "A", CHANGED, "ROW", "signal_derived_death"],
    ["event", "append_only", "A", "BEFORE DELETE OR UPDATE OR TRUNCATE", "STATEMENT", "refuse_change"],
    ["event", "guard_copied", "A", "BEFORE INSERT", "STATEMENT", "guard_copied"],
    ["heartbeat", "follow", "R", "BEFORE INSERT OR DELETE OR UPDATE", "ROW", "follow_beats"],
    ["heartbeat", "follow_truncate", "R", "AFTER TRUNCATE", "STATEMENT", "follow_beats"],
    ["heartbeat", "guard_copied", "A", CHANGE, "STATEMENT", "guard_copied"],
    ["import", "signal", "A", CHANGE, "STATEMENT", "signal_change"],
    ["import", "signal_apply", "R", CHANGED, "ROW", "signal_change"],
    ["key", "guard_copied", "A", CHANGE, "STATEMENT", "guard_copied"],
    ["kind", "guard", "A", "BEFORE INSERT OR DELETE OR UPDATE", "ROW", "guard_kind"],
    ["kind", "guard_truncate", "A", "AFTER TRUNCATE", "STATEMENT", "guard_kind"],
    ["kind", "record", "O", CHANGED, "ROW", "record_kind"],
    ["kind", "record_truncate", "O", "BEFORE TRUNCATE", "STATEMENT", "record_kind"],
    ["kind", "signal", "A", CHANGE, "STATEMENT", "signal_change"],
    ["kind", "signal_row", "A", "AFTER DELETE OR UPDATE", "ROW", "signal_change"],
    ["mass_death", "guard_copied", "A", CHANGE, "STATEMENT", "guard_copied"],
    ["member", "guard_copied", "A", CHANGE, "STATEMENT", "guard_copied"],
    ["principal", "signal", "A", CHANGE, "STATEMENT", "signal_change"],
    ["principal", "signal_delete", "A", "AFTER DELETE", PRINCIPAL_GONE, "signal_change"],
    ["principal", "signal_insert", "A", "AFTER INSERT", PRINCIPAL_NEW, "signal_change"],
    ["principal", "signal_truncate", "A", "AFTER TRUNCATE", "STATEMENT", "signal_change"],
    ["principal", "signal_update", "A", "AFTER UPDATE", PRINCIPAL_CHANGED, "signal_change"],
    ["token", "signal", "A", CHANGE, "STATEMENT", "signal_change"],
    ["token", "signal_delete", "A", "AFTER DELETE", TOKEN_GONE, "signal_change"],
    ["token", "signal_update", "A", "AFTER UPDATE", TOKEN_CHANGED, "signal_change"],
    ["usage_batch", "guard_copied", "A", CHANGE, "STATEMENT", "guard_copied"],
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
    let definition = |[table, name, _, on, each, function]: &[&str; 6]| {
        let fires = format!("{on} ON tokenauth.{table} FOR EACH {each} EXECUTE FUNCTION tokenauth.{function}()");
        Text::from(&*format!("CREATE TRIGGER {name} {fires}"))
    };
    let definitions = INSTALLED.iter().map(definition).collect::<TextArray>();
    found("schema", &FIND, &[column(0), column(1), column(2), Argument::of(definitions)])
}

/// What may keep rows of ours from being written, so that what was to die lives on. Some functions notice; of a
/// statement that changes many rows nobody knows how many there would have been.
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
    found("schema", &FIND, &[column(0), column(1)])
}

/// One of their columns.
fn column(place: usize) -> Argument {
    Argument::of(INSTALLED.iter().map(|trigger| trigger[place]).collect::<TextArray>())
}
