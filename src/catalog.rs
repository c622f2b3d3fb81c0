//! Our own tables as typed rows: read by the access methods where verification does, by constant SQL elsewhere.
//!
//! Nothing here makes decisions, and no SQL text is ever built from values.

pub mod aged;
pub mod announced;
pub mod event;
pub mod import;
pub mod key;
pub mod kind;
pub mod member;
pub mod principal;
pub mod principals;
pub mod revocations;
pub mod token;
pub mod usage;
