//! Our tables by the access method, without SQL: scans, locks, writes, snapshots, and the messages that end what was
//! cached.

pub(in crate::pg) mod catalog_scan;
pub mod catalog_update;
pub mod held;
pub mod index_definition;
pub mod index_entries;
pub mod index_key;
pub mod index_proof;
pub mod index_scan;
mod index_step;
pub mod index_walk;
pub mod invalidation;
pub mod kept;
mod our_indexes;
mod plain_table;
pub mod publication;
pub mod relation;
pub mod row_key;
pub mod row_lock;
pub mod snapshot;
pub mod subscription;
mod target;
pub mod write;
mod write_by_statement;
