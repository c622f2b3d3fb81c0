//! Patroni and etcd, as `scripts/setup tests` has installed them.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The programs.
#[derive(Clone)]
pub struct Programs {
    pub etcd: PathBuf,
    pub patroni: PathBuf,
    pub patronictl: PathBuf,
}

impl Programs {
    /// Where they could not be had, a message says that `what` is not tested.
    pub fn installed(what: &str) -> Option<Self> {
        let link = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/patroni");
        // The server's user, who runs them, can enter the tree, and perhaps not the checkout.
        let tree = fs::read_link(link).unwrap_or_default();
        let programs = Self {
            etcd: tree.join("etcd/usr/bin/etcd"),
            patroni: tree.join("python/bin/patroni"),
            patronictl: tree.join("python/bin/patronictl"),
        };
        let is_there = [&programs.etcd, &programs.patroni].iter().all(|program| program.is_file());
        if !is_there {
            // Not with `eprintln!`, whose output is shown for failed tests only.
            let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}, without Patroni and etcd");
        }
        is_there.then_some(programs)
    }
}

/// Addresses that nobody listens at, all different.
pub fn free_addresses<const N: usize>() -> [String; N] {
    // Held until all are chosen.
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}
