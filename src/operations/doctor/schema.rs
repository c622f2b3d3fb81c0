//! Checks that the extension is as it was installed: its functions, its tables, its triggers (`triggers`), and nothing
//! else in its schema.
//!
//! Only superusers and the owner of the extension can change that, by hand or by a restore that disables triggers.

use super::{found, triggers};
use crate::access::sql_privileges;
use crate::error::finding::Finding;
use crate::pg::sql::statement::Statement;

/// Everything that is not as it was installed.
pub fn findings() -> Vec<Finding> {
    let mut findings = strangers();
    findings.extend(creators());
    findings.extend(open_row_types());
    findings.extend(altered_functions());
    findings.extend(altered_tables());
    findings.extend(triggers::findings());
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
                             -- What is taken for constant outlasts the identity that it is of.
                             WHEN p.proleakproof OR p.provolatile <> w.volatility OR p.proparallel <> w.parallel
                             THEN 'is declared otherwise than it was installed'
                        END AS finding
                   FROM pg_extension e
                   JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                                   AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
                   JOIN pg_proc p ON p.oid = d.objid
                   JOIN pg_proc doctor ON doctor.oid = to_regprocedure('tokenauth.doctor(boolean)')
                  CROSS JOIN LATERAL (
                     SELECT CASE WHEN p.proname IN ('contains_token', 'covers', 'mask') THEN 'i'
                                 WHEN p.proname IN ('recent_usage', 'error_response') OR g.is_getter THEN 's'
                                 ELSE 'v' END::\"char\",
                            CASE WHEN p.proname IN ('contains_token', 'covers', 'mask', 'recent_usage',
                                                    'server_metrics', 'stats') THEN 's'
                                 WHEN g.is_getter THEN 'r'
                                 ELSE 'u' END::\"char\"
                       FROM (SELECT p.proname IN ('data_scope', 'has_scope', 'in_data_scope')
                                    OR p.proname ^@ 'current_') g (is_getter)) w (volatility, parallel)
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

fn altered_tables() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT c.oid::regclass::text, 'is unlogged: a crash empties it',
                format('Use ALTER TABLE %s SET LOGGED.', c.oid::regclass)
           FROM pg_class c
          WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'u'
          ORDER BY 1",
    );
    found("schema", &FIND, &[])
}
