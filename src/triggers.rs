//! The trigger functions of our own tables.

pub mod event;
pub mod invalidation;
pub mod kind;
