//! Checks that the extension is as it was installed: its functions, its triggers, and nothing else in its schema.
//!
//! Only superusers and the owner of the extension can change that, by hand or by a restore that disables triggers.

use crate::access::sql_privileges;
use crate::error::finding::Finding;
use crate::pg::sql::statement::Statement;

/// Everything that is not as it was installed.
pub fn findings() -> Vec<Finding> {
    let mut findings = strangers();
    findings.extend(creators());
    findings.extend(open_row_types());
    findings.extend(altered_functions());
    findings.extend(altered_triggers());
    findings.extend(withheld_rows());
    findings
}

/// Functions, operators and relations in our schema that do not belong to the extension: a call would choose an
/// overload that fits its argument types better instead of our function.
fn strangers() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT pg_describe_object(o.classid, o.objid, 0)
           FROM (SELECT 'pg_proc'::regclass AS classid, oid AS objid
                   FROM pg_proc WHERE pronamespace = 'tokenauth'::regnamespace
                 UNION ALL
                 SELECT 'pg_class'::regclass, oid
                   FROM pg_class
                  WHERE relnamespace = 'tokenauth'::regnamespace AND relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
                 UNION ALL
                 SELECT 'pg_operator'::regclass, oid
                   FROM pg_operator WHERE oprnamespace = 'tokenauth'::regnamespace) o
          WHERE NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                             WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'e'
                               AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'tokenauth')
          ORDER BY 1",
    );
    FIND.all(&[], |row| Finding {
        area: "schema",
        object: row.required(1),
        finding: "does not belong to the extension".into(),
        hint: "It may be taken for one of the extension's own. Drop it, and find out who made it.".into(),
    })
}

/// Roles that could create such objects.
fn creators() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('role %s', a.grantee::regrole) END
           FROM pg_namespace n, aclexplode(n.nspacl) a
          WHERE n.nspname = 'tokenauth' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
          ORDER BY 1",
    );
    FIND.all(&[], |row| Finding {
        area: "schema",
        object: row.required(1),
        finding: "may create objects in schema tokenauth".into(),
        hint: "Use REVOKE CREATE ON SCHEMA tokenauth.".into(),
    })
}

/// Privileges that an upgrade of the server does not carry.
fn open_row_types() -> Option<Finding> {
    let open = sql_privileges::open_row_types()?;
    Some(Finding {
        area: "schema",
        object: "types of rows".into(),
        finding: "may be used by everybody, as after pg_upgrade".into(),
        hint: [b"Use REVOKE ALL ON TYPE ", open.as_bytes(), b" FROM PUBLIC."].concat().into(),
    })
}

fn altered_functions() -> Vec<Finding> {
    // doctor() is running, so its row of pg_proc names our library: the others are compared with it.
    static FIND: Statement = Statement::new(
        "SELECT f.function, f.finding
           FROM (SELECT p.oid::regprocedure::text AS function,
                        CASE WHEN p.prolang <> doctor.prolang OR p.probin <> doctor.probin
                                  OR p.prosrc <> p.proname || CASE p.proname WHEN 'pre_request' THEN '_raising'
                                                                             ELSE '_wrapper' END
                             THEN 'was replaced'
                             WHEN p.proowner <> e.extowner THEN 'does not belong to the owner of the extension'
                             -- Inside such a function nobody can tell who calls.
                             WHEN p.prosecdef THEN 'was made SECURITY DEFINER'
                             WHEN p.proconfig IS NOT NULL THEN 'has other settings than it was installed with'
                        END AS finding
                   FROM pg_extension e
                   JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                                   AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
                   JOIN pg_proc p ON p.oid = d.objid
                   JOIN pg_proc doctor ON doctor.oid = to_regprocedure('tokenauth.doctor(boolean)')
                  WHERE e.extname = 'tokenauth') f
          WHERE f.finding IS NOT NULL
          ORDER BY f.function",
    );
    FIND.all(&[], |row| Finding {
        area: "schema",
        object: row.required(1),
        finding: row.required(2),
        hint: "Make it again what it is in a new database with this version of the extension.".into(),
    })
}

fn altered_triggers() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT format('trigger %I on tokenauth.%I', w.name, w.on_table),
                CASE WHEN t.oid IS NULL THEN 'is missing'
                     WHEN t.tgenabled = 'D' THEN 'is disabled'
                     ELSE 'fires at other times than it was installed for' END,
                CASE WHEN t.oid IS NULL
                     THEN 'Make it again what it is in a new database with this version of the extension.'
                     ELSE format('Use ALTER TABLE tokenauth.%I ENABLE%s TRIGGER %I.', w.on_table,
                                 CASE w.enabled WHEN 'A' THEN ' ALWAYS' WHEN 'R' THEN ' REPLICA' END, w.name) END
           FROM (VALUES ('kind', 'guard', 'A'), ('kind', 'record', 'O'), ('kind', 'guard_truncate', 'A'),
                        ('kind', 'record_truncate', 'O'), ('event', 'append_only', 'A'),
                        ('kind', 'signal', 'A'), ('principal', 'signal', 'A'), ('token', 'signal', 'A'),
                        ('import', 'signal', 'A'), ('import', 'signal_apply', 'R'),
                        ('derived_death', 'signal', 'A'), ('derived_death', 'signal_row', 'A'),
                        ('member', 'guard_copied', 'A'), ('mass_death', 'guard_copied', 'A'),
                        ('key', 'guard_copied', 'A'), ('heartbeat', 'guard_copied', 'A'),
                        ('change', 'guard_copied', 'A'), ('change', 'follow', 'R'),
                        ('heartbeat', 'follow', 'R'), ('heartbeat', 'follow_truncate', 'R'),
                        ('usage_batch', 'guard_copied', 'A'), ('event', 'guard_copied', 'A'),
                        ('kind', 'signal_row', 'A'),
                        ('principal', 'signal_insert', 'A'), ('principal', 'signal_truncate', 'A'),
                        ('principal', 'signal_update', 'A'), ('principal', 'signal_delete', 'A'),
                        ('token', 'signal_update', 'A'), ('token', 'signal_delete', 'A')) w (on_table, name, enabled)
           JOIN pg_class c ON c.relname = w.on_table AND c.relnamespace = 'tokenauth'::regnamespace
           LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = w.name AND NOT t.tgisinternal
          WHERE t.tgenabled IS DISTINCT FROM w.enabled::\"char\"
            -- Releases before 0.2.0 do not have them.
            AND (w.name NOT IN ('guard_copied', 'signal_insert', 'signal_truncate')
                 OR to_regprocedure('tokenauth.guard_copied()') IS NOT NULL)
          ORDER BY 1",
    );
    FIND.all(&[], |row| Finding {
        area: "schema",
        object: row.required(1),
        finding: row.required(2),
        hint: row.required(3),
    })
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
               FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                -- BEFORE, FOR EACH ROW.
                AND t.tgtype & 3 = 3 AND p.pronamespace <> c.relnamespace
             UNION ALL
             SELECT format('rule %I on %s', r.rulename, c.oid::regclass),
                    'may keep rows from being written, deaths among them', 'Drop it.'
               FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_enabled <> 'D'
             UNION ALL
             SELECT c.oid::regclass::text, 'has row security forced upon its owner, from whom policies may hide rows',
                    format('Use ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', c.oid::regclass)
              WHERE c.relrowsecurity AND c.relforcerowsecurity) w (object, finding, hint)
          WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind = 'r'
          ORDER BY 1, 2",
    );
    FIND.all(&[], |row| Finding {
        area: "schema",
        object: row.required(1),
        finding: row.required(2),
        hint: row.required(3),
    })
}
