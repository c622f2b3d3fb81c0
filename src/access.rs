//! Who asks, and what it may do.
//!
//! The effective user at the call decides and nothing else: PostgreSQL runs the code of index expressions, definer
//! functions and referential actions as its owner, and that of views, rules, policies and casts as whoever runs the
//! statement; which role is logged in or was set outside says nothing about who wrote the call.

#![forbid(unsafe_code)]

pub mod actor;
pub mod authority;
mod granted_functions;
pub mod identity;
pub mod sql_privileges;
