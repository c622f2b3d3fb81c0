//! The transaction: its ends, durability, subtransactions, and what is set only for a while.

pub mod acting_as;
pub mod guc_scope;
pub mod locks_held;
pub mod name_lock;
pub mod notify;
pub mod open_writers;
pub mod origin;
pub mod row_changes;
mod shallowest;
pub mod subtransaction;
pub mod xact;
