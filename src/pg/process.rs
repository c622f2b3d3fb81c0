//! Processes of the server: background workers, shared memory, latches, settings, the log.

pub mod background_worker;
pub mod client;
pub mod database;
pub mod entry;
pub mod latch;
pub mod log_hook;
pub mod settings;
pub mod shared_memory;
