//! The application's own tables as the source of principals and memberships.
//!
//! A binding says how a row becomes a principal: by the principal's type, and SQL expressions for its id and other
//! fields. Or how it becomes a membership: by expressions for organisation, member and permissions. The triggers that
//! apply a binding are all there is of it; the table of bindings only lets `doctor()` miss them. Expressions run as
//! whoever writes the table; only the write to our tables, which is constant SQL, runs as their owner.

mod afresh;
mod bind;
mod by_hand;
pub mod changes;
mod definition;
mod drift;
mod evaluation;
mod findings;
mod installed;
mod obstacle;
mod overtaken;
mod source;
mod supplied;
mod sync;
mod trigger;
mod triggers;
mod unique;

pub use findings::findings;
pub use supplied::{Supplied, holds, lock, refuse_membership, refuse_supplied, supplier_of_active};
