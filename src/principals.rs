//! Principals: whoever can own tokens or act.

#![forbid(unsafe_code)]

pub mod binding;
mod deactivate;
mod drop;
mod erase;
mod member;
mod put;

pub use deactivate::kill_revocable;
