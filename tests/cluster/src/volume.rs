//! A small file system of its own, to be filled.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installation::temporary_directory;

/// A file system in memory, unmounted when the value is dropped: to be declared before the server that uses it, so that
/// the server ends first.
pub struct Volume(PathBuf);

impl Volume {
    /// Mounts a file system of this many megabytes that belongs to the server's user. Where nothing can be mounted, a
    /// message says that `what` is not tested.
    #[must_use]
    pub fn mount(megabytes: u32, what: &str) -> Option<Self> {
        let directory = temporary_directory();
        let owner = fs::metadata(&directory).unwrap();
        let options = format!("size={megabytes}m,mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tokenauth"]).arg(&directory);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Volume(directory));
        }
        fs::remove_dir(&directory).unwrap();
        // Not with `eprintln!`, whose output is shown for failed tests only.
        let _ = writeln!(io::stderr(), "NOT TESTED: {what}, where no file system can be mounted");
        None
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let path = self.ballast();
        let mut ballast = File::options().create(true).append(true).open(&path).unwrap();
        let owner = fs::metadata(&self.0).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        for size in [1 << 20, 1 << 12] {
            while ballast.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: what still has a file open there must not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}
