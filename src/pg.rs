//! The plumbing between this crate and PostgreSQL, and the only module with unsafe code.
//!
//! Each file wraps one facility of the server in a small safe interface: guards release resources in `Drop`, and each
//! unsafe block says why it is sound. A C function raises by `longjmp`, which pgrx turns into a Rust unwinding at the
//! boundary. So `Drop` runs after an error too; there it leaves to the transaction's abort whatever that releases.
#![allow(unsafe_code)]

pub mod answer;
pub mod array;
pub mod authorization;
pub mod call;
pub mod clock;
pub mod composite;
pub mod database;
pub mod diagnostics;
pub mod encoding;
pub mod entry;
pub mod expression;
pub mod extension;
pub mod init_privileges;
pub mod invalidation;
pub mod jsonb;
pub mod kept;
pub mod latch;
pub mod log_hook;
pub mod meanwhile;
pub mod memory;
pub mod message;
pub mod notify;
pub mod open_writers;
pub mod parts;
mod planner;
pub mod privileges;
pub mod probe;
pub mod process;
pub mod query;
pub mod raise;
mod receiver;
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
