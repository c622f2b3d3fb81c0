//! Errors and messages on their way to the client and the log.

pub mod diagnostics;
pub mod message;
pub mod progress;
pub mod raise;
pub(in crate::pg) mod reserve;
mod row_in_detail;
