//! Processes of the server: background workers, shared memory, latches, settings, the log.

#[cfg_attr(test, expect(dead_code, reason = "unit tests have thread_local! instead"))]
pub mod backend_local;
pub mod background_worker;
pub mod client;
pub mod database;
pub mod entry;
pub mod fault;
pub mod hold_times;
pub mod latch;
pub mod log_hook;
pub mod prefetch;
pub mod private_file;
pub mod server;
pub mod settings;
pub mod shared_memory;
pub mod standby_notice;
pub mod wal;
