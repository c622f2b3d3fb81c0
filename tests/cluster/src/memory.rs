//! The memory of a backend: what the system tells of it, and a limit.

use std::fs;
use std::path::Path;

use crate::installation::{as_server, finish};
use crate::server::Server;

/// What the system tells of a process under this name, such as `RssAnon`, in bytes.
#[must_use]
pub fn memory(process: i32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let told =
        status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("a process has a size");
    told.split_whitespace().next().and_then(|size| size.parse::<u64>().ok()).expect("a size is a number") * 1024
}

impl Server {
    /// Limits a backend's address space to what it has now and this much more.
    pub fn limit_memory(&self, backend: i32, beyond: u64) {
        let limit = format!("--as={}", memory(backend, "VmSize") + beyond);
        finish(as_server(Path::new("prlimit")).args(["--pid", &backend.to_string(), &limit]));
    }

    /// The most address space that a backend has had so far, in bytes.
    #[must_use]
    pub fn peak_memory(&self, backend: i32) -> u64 {
        memory(backend, "VmPeak")
    }
}
