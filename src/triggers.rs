//! The trigger functions of our own tables.

#![forbid(unsafe_code)]

pub mod beat;
mod by_hand;
pub mod event;
pub mod invalidation;
pub mod kind;
mod typed;
