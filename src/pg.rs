//! The plumbing between this crate and PostgreSQL, and the only room with unsafe code.
//!
//! Each file wraps one facility of the server in a small safe interface: what must be given back is given back by
//! `Drop`, and each unsafe block says why it is sound. A C function that raises does so by `longjmp`; pgrx turns that
//! into a Rust unwinding at the boundary, so a guard's `Drop` also runs then, and leaves to the transaction's abort
//! whatever the abort cleans up by itself.
#![allow(unsafe_code)]

pub mod answer;
pub mod array;
pub mod clock;
pub mod composite;
pub mod database;
pub mod encoding;
pub mod entry;
pub mod expression;
pub mod invalidation;
pub mod jsonb;
pub mod kept;
pub mod log_hook;
pub mod meanwhile;
pub mod message;
pub mod notify;
pub mod probe;
pub mod process;
pub mod query;
pub mod raise;
pub mod role;
pub mod row;
pub mod rows;
pub mod settings;
pub mod shared_memory;
pub mod snapshot;
pub mod statement;
pub mod subtransaction;
pub mod table;
pub mod text;
pub mod touch;
pub mod trigger;
pub mod user;
mod varlena;
pub mod xact;
