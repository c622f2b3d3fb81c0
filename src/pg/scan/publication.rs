//! Which of our tables are published.

use pgrx::pg_sys;

use super::index_scan::UniqueIndex;

/// Whether a publication names this table or its schema. From the server's caches, without a statement.
///
/// # Errors
/// Raises 55000 when the table does not exist.
pub fn publishes(table: &UniqueIndex) -> bool {
    let table = table.index().table_oid();
    // SAFETY: reads the shared queue, since a transaction may have been idle for long; then look-ups in the system
    // cache, which both answer with a list in the current memory, empty as NULL.
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        !pg_sys::GetRelationPublications(table).is_null()
            || !pg_sys::GetSchemaPublications(pg_sys::get_rel_namespace(table)).is_null()
    }
}
