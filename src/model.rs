//! Values of the domain, without server and SQL, so that they are tested and fuzzed by themselves: scopes, data scopes,
//! networks, kinds, verdicts, and the rule of life.

#![forbid(unsafe_code)]

pub mod bound_to;
pub mod data_scope;
pub mod error_style;
pub mod kind;
pub mod narrowing;
pub mod network;
pub mod principal_name;
pub mod rate;
pub mod rule;
pub mod scope;
pub mod token_state;
pub mod verdict;
