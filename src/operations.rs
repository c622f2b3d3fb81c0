//! What administrators and workers do: look after the state of things, remove what is old, carry revocations and usage
//! between servers.

#![forbid(unsafe_code)]

pub mod accept_restore;
pub mod doctor;
pub mod enforce;
pub mod expiring;
pub mod heartbeat;
pub mod idle_tokens;
pub mod leaks;
pub mod library;
pub mod masking;
pub mod metrics;
pub mod publication;
pub mod purge;
pub mod report;
pub mod revocations;
pub mod scan_column;
mod unasked;
pub mod usage_launcher;
pub mod usage_transfer;
pub mod usage_worker;
