//! The application's own users table as the source of principals.
//!
//! A binding says how a row becomes a principal: its type, and SQL expressions for its id and for whatever else the row
//! knows. The triggers that carry it are the binding; there is no table of bindings that could disagree with them.
//! Expressions run as whoever writes the table; only the write to our tables runs as their owner, and it is constant SQL.

mod bind;
mod definition;
mod drift;
mod evaluation;
mod source;
mod supplied;
mod sync;
mod trigger;
mod triggers;

pub use supplied::{Supplied, refuse_supplied};
