//! The application's own tables as the source of principals, and of who is a member where.
//!
//! A binding says how a row becomes a principal: its type, and SQL expressions for its id and for whatever else the row
//! knows; or a membership, by expressions for organisation, member and permissions. The triggers that carry it are the
//! binding; there is no table of bindings that could disagree with them. Expressions run as whoever writes the table; only
//! the write to our tables runs as their owner, and it is constant SQL.

mod bind;
mod definition;
mod drift;
mod evaluation;
mod source;
mod subject;
mod supplied;
mod sync;
mod trigger;
mod triggers;

pub use drift::findings;
pub use subject::{BoundTo, Subject};
pub use supplied::{Supplied, refuse_membership, refuse_supplied};
