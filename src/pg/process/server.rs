//! What tells this server from its copies.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use pgrx::{Uuid, pg_sys};
use sha2::{Digest as _, Sha256};

use super::settings::data_directory;

/// Stands for this server, the same from one start to the next: a digest of where it runs.
pub fn id() -> Uuid {
    // Elsewhere than on Linux, two servers of one path and port are taken for one.
    let host = fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    // SAFETY: set once, when the server starts.
    let port = unsafe { pg_sys::PostPortNumber };
    let digest = Sha256::new()
        .chain_update(b"tokenauth server\n")
        .chain_update(host)
        .chain_update(port.to_be_bytes())
        .chain_update(data_directory().as_os_str().as_bytes())
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(id)
}
