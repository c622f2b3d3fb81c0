//! One etcd, whom the members of a cluster ask who leads.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokenauth_cluster::{as_server, http, wait_until};

use super::partner::free_addresses;

/// It ends with the value.
pub struct Etcd {
    process: Child,
    pub address: String,
}

impl Etcd {
    /// Starts it with its data in this directory.
    pub fn start(program: &Path, directory: &Path) -> Self {
        let [address, among_peers] = free_addresses();
        let (url, peers) = (format!("http://{address}"), format!("http://{among_peers}"));
        let process = as_server(program)
            // Some releases refuse to run on it otherwise.
            .envs((cfg!(target_arch = "aarch64")).then_some(("ETCD_UNSUPPORTED_ARCH", "arm64")))
            .arg(format!("--data-dir={}", directory.join("etcd").display()))
            .args([format!("--listen-client-urls={url}"), format!("--advertise-client-urls={url}")])
            .args([format!("--listen-peer-urls={peers}"), format!("--initial-advertise-peer-urls={peers}")])
            .arg(format!("--initial-cluster=default={peers}"))
            .stdin(Stdio::null())
            .logs_to(&directory.join("etcd.log"))
            .spawn()
            .expect("etcd can be run");
        let etcd = Self { process, address };
        wait_until("etcd to start", || {
            http::try_to_send(&etcd.address, "GET", "/health", &[], "").is_ok_and(|answer| answer.body.contains("true"))
        });
        etcd
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends what a program says to a file.
pub trait LogsTo {
    fn logs_to(&mut self, log: &Path) -> &mut Self;
}

impl LogsTo for Command {
    fn logs_to(&mut self, log: &Path) -> &mut Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        self.stdout(log.try_clone().unwrap()).stderr(log)
    }
}
