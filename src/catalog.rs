//! Our own tables as typed rows: read by the access methods where verification does, by constant SQL elsewhere.
//!
//! Nothing here makes decisions, and no SQL text is ever built from values.
//!
//! # The order of locks
//!
//! No two calls wait for each other, because each takes its locks in this order, and the rows of one table in the order
//! of their primary key:
//!
//! 0. names of principals, by `erase` alone and by whoever writes one without its row's lock, by hand among them
//!    ([`crate::pg::transaction::name_lock`]); only `erase` is ever waited for, or waits;
//! 1. the bound table with its partitions, the right to bind, then what that binding supplies
//!    ([`crate::principals::binding`]);
//! 2. rows of `kind`, or the whole table;
//! 3. rows of `principal`: owner, actor and organisations together, all of them before anything else of theirs, and
//!    each at once as firmly as the call will need it, since two that hold a row in SHARE mode can both wait to write
//!    it;
//! 4. rows of `member`, whose principals are not always locked: what changes a membership locks only that;
//! 5. rows of `token`;
//! 6. rows of `binding`, each of the bound table that the call has locked;
//! 7. rows that are written once and never locked: `key`, new tokens with their usage, `as_issued`, `import`,
//!    `mass_death`, `derived_death`, `event`, `change`; and what is written of uses, for which `erase` waits.
//!
//! An UPDATE or DELETE of many rows visits them in whatever order it is planned. So a set operation is an INSERT with
//! ON CONFLICT, which follows its SELECT, or locks its rows first by a statement of their own. Rows about to be
//! inserted are part of the order, since whoever inserts the same key waits as for a lock. `purge` and the workers skip
//! what others have locked.
//!
//! What several calls of one transaction lock is in the order of the calls, which is the application's own.

#![forbid(unsafe_code)]

pub mod as_issued;
pub mod binding;
pub mod change;
pub mod counting;
pub mod death_notice;
pub mod derived_death;
pub mod erased;
pub mod event;
pub mod expiry_notices;
pub mod exported;
pub mod heartbeat;
pub mod id;
pub mod import;
pub mod key;
pub mod kind;
mod lock_moment;
pub mod mass_death;
pub mod member;
pub mod noncompliance;
pub mod principal;
pub mod publication;
pub mod retention;
pub mod revocations;
pub mod scope_interner;
pub mod token;
pub mod usage_copy;
