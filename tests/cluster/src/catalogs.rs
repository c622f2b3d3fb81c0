//! What the catalogs say of the extension, whatever has brought it there.

use postgres::Client;

use crate::contract::privileges;

/// Every object of the extension with all that makes it what it is, one a line and in order: definitions, columns with
/// storage and defaults, triggers and when they fire, settings of relations, comments, what a dump carries, privileges.
/// Equal for two databases if and only if it is the same extension in both; no OID is in it.
#[must_use]
pub fn catalogs(client: &mut Client) -> Vec<String> {
    let members = "
        WITH members AS (SELECT d.classid, d.objid
                           FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                          WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
                            AND e.extname = 'tokenauth'),
             relations AS (SELECT c.* FROM pg_class c JOIN members ON objid = c.oid AND classid = 'pg_class'::regclass),
             columns AS (SELECT a.*, c.oid::regclass::text AS of,
                                row_number() OVER (PARTITION BY c.oid ORDER BY attnum) AS place
                           FROM pg_attribute a JOIN relations c ON c.oid = a.attrelid
                          WHERE attnum > 0 AND NOT attisdropped)
        SELECT concat_ws(' | ', 'object', pg_describe_object(classid, objid, 0),
                         obj_description(objid, classid::regclass::name))
          FROM members
        UNION ALL
        SELECT concat_ws(' | ', 'extension', extnamespace::regnamespace, extrelocatable, config, condition)
          FROM pg_extension
          LEFT JOIN LATERAL unnest(extconfig::regclass[], extcondition) AS dumped (config, condition) ON true
         WHERE extname = 'tokenauth'
        UNION ALL
        SELECT concat_ws(' | ', 'relation', c.oid::regclass, c.relkind, c.relpersistence, c.relreplident, c.reloptions,
                         t.reloptions, c.relrowsecurity, c.relforcerowsecurity, am.amname,
                         CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END)
          FROM relations c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_am am ON am.oid = c.relam
        UNION ALL
        SELECT concat_ws(' | ', 'column', of, place, attname, format_type(atttypid, atttypmod),
                         NULLIF(attcollation, 0)::regcollation, attnotnull, attstorage, attcompression, attstattarget,
                         attidentity, attgenerated, options, pg_get_expr(adbin, adrelid),
                         col_description(attrelid, attnum))
          FROM columns LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
          -- Some builds note there what differs from table to table.
          LEFT JOIN LATERAL (SELECT array_agg(o) AS options FROM unnest(attoptions) o
                              WHERE o NOT LIKE 'pg\\_attver=%') AS options_set
            ON true
        UNION ALL
        SELECT concat_ws(' | ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(k.oid), convalidated,
                         obj_description(k.oid, 'pg_constraint'))
          FROM pg_constraint k JOIN relations c ON c.oid = conrelid
        UNION ALL
        SELECT concat_ws(' | ', 'index', pg_get_indexdef(indexrelid), i.reloptions, indisclustered, indisreplident,
                         indisvalid, obj_description(indexrelid, 'pg_class'))
          FROM pg_index JOIN relations c ON c.oid = indrelid JOIN pg_class i ON i.oid = indexrelid
        UNION ALL
        SELECT concat_ws(' | ', 'trigger', pg_get_triggerdef(t.oid), tgenabled, obj_description(t.oid, 'pg_trigger'))
          FROM pg_trigger t JOIN relations c ON c.oid = tgrelid WHERE NOT tgisinternal
        UNION ALL
        SELECT concat_ws(' | ', 'function', pg_get_functiondef(objid)) FROM members WHERE classid = 'pg_proc'::regclass
        UNION ALL
        SELECT concat_ws(' | ', 'rule', pg_get_ruledef(r.oid)) FROM pg_rewrite r JOIN relations c ON c.oid = ev_class
        UNION ALL
        SELECT concat_ws(' | ', 'policy', polrelid::regclass, polname, polcmd, polpermissive,
                         pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
          FROM pg_policy JOIN relations c ON c.oid = polrelid
        UNION ALL
        SELECT concat_ws(' | ', 'statistics', pg_get_statisticsobjdef(s.oid))
          FROM pg_statistic_ext s JOIN relations c ON c.oid = stxrelid
        UNION ALL
        SELECT concat_ws(' | ', 'at install', pg_describe_object(p.classoid, p.objoid, p.objsubid), p.initprivs::text)
          FROM pg_init_privs p JOIN members ON p.classoid = classid AND p.objoid = objid";
    let sql = format!("SELECT line FROM ({members}) AS lines (line) ORDER BY line COLLATE \"C\"");
    let mut lines: Vec<String> = client.query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    lines.extend(privileges(client).into_iter().map(|line| format!("privilege | {line}")));
    lines
}

/// Panics with the lines in which two extensions differ.
///
/// # Panics
/// Unless they are the same.
pub fn assert_same_catalogs(found: &[String], expected: &[String], what: &str) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let (surplus, missing) = (only(found, expected), only(expected, found));
    assert!(surplus.is_empty() && missing.is_empty(), "{what}\nhas: {surplus:#?}\nhas not: {missing:#?}");
    assert_eq!(found.len(), expected.len(), "{what} has something twice");
}
