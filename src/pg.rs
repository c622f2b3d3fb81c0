//! The plumbing between this crate and PostgreSQL, and the only module with unsafe code.
//!
//! Each file wraps one facility of the server in a small safe interface: guards release resources in `Drop`, and each
//! unsafe block says why it is sound. A C function raises by `longjmp`, which pgrx turns into a Rust unwinding at the
//! boundary. So `Drop` runs after an error too; there it leaves to the transaction's abort whatever that releases.
#![allow(unsafe_code)]

pub mod function;
pub mod process;
pub mod report;
pub mod roles;
pub mod scan;
pub mod sql;
pub mod transaction;
pub mod types;
