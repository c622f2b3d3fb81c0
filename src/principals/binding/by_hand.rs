//! Triggers that applications write themselves to keep principals or memberships in step with a table, and what they
//! overlook.

use super::triggers::Bound;
use crate::error::finding::Finding;
use crate::pg::scan::relation::Table;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::text::Text;

/// What to do about it.
pub const HINT: &str =
    "Use tokenauth.bind_principals() or tokenauth.bind_members() instead, or see to it that triggers see every change.";

/// Changes that the triggers written by hand on a table do not see. `bound` are the tables with triggers of our
/// function; those that are bound by `bind_principals` or `bind_members` are examined elsewhere.
pub fn findings(bound: &[Bound]) -> Vec<Finding> {
    // A trigger with a column list or a condition sees an UPDATE only sometimes; the ones that matter are those of ids.
    // A function that calls ours hears of a changed id only if it compares OLD with NEW. Where nothing but DELETE and
    // TRUNCATE is missing, principals are perhaps made known elsewhere; a function of ours is expected to see all.
    static FIND: Statement = Statement::new(
        "WITH written (relation, is_ours, type, sees_updates) AS (
             SELECT t.tgrelid, f.is_ours, t.tgtype,
                    t.tgtype & 16 <> 0 AND t.tgqual IS NULL AND t.tgattr::text = ''
                    AND (f.is_ours
                         OR p.prosrc ~* '\\mold\\M[^;]*(<>|!=|=|distinct\\s+from)[^;]*\\mnew\\M'
                         OR p.prosrc ~* '\\mnew\\M[^;]*(<>|!=|=|distinct\\s+from)[^;]*\\mold\\M')
               FROM pg_trigger t
               JOIN pg_proc p ON p.oid = t.tgfoid
               JOIN pg_namespace s ON s.oid = p.pronamespace
              CROSS JOIN LATERAL (SELECT s.nspname = 'tokenauth' AND p.proname = 'sync_principal' AS is_ours) f
              WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' AND t.tgrelid <> ALL ($1)
                AND (f.is_ours
                     OR p.prosrc ~* '\\mtokenauth\\s*\\.\\s*(put_principal|drop_principal|activate|deactivate|\
                                    add_member|remove_member)\\M')),
         seen AS (
             SELECT relation, bool_or(is_ours) AS is_ours, bit_or(type) AS events, bool_or(sees_updates) AS sees_updates
               FROM written GROUP BY relation HAVING bit_or(type) <> 34)
         SELECT format('%I.%I', n.nspname, c.relname),
                array_to_string(array_remove(ARRAY[
                    CASE WHEN is_ours AND events & 4 = 0 THEN 'INSERT' END,
                    CASE WHEN is_ours AND events & 16 = 0 THEN 'UPDATE'
                         WHEN NOT sees_updates THEN 'changed ids' END,
                    CASE WHEN events & 8 = 0 THEN 'DELETE' END,
                    CASE WHEN events & 32 = 0 THEN 'TRUNCATE' END], NULL), ', ')
           FROM seen
           JOIN pg_class c ON c.oid = relation
           JOIN pg_namespace n ON n.oid = c.relnamespace
          -- A partition is part of the table that it belongs to.
          WHERE NOT c.relispartition AND (NOT sees_updates OR events & 40 <> 40 OR is_ours AND events & 4 = 0)
          ORDER BY n.nspname, c.relname",
    );
    let installed: Vec<Option<Table>> =
        bound.iter().filter(|binding| binding.is_installed).map(|binding| Some(binding.table)).collect();
    FIND.all(arguments![installed], |row| {
        let (table, missed): (Text, Text) = (row.required(1), row.required(2));
        Finding::new(
            "binding",
            &table.shown(),
            &format!("triggers written by hand do not see: {}", missed.shown()),
            HINT,
        )
    })
}
