//! The ways in which a server ends before its time.

use std::process::Child;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::processes::{kill_family, kill_parent, kill_surely, signal};
use crate::server::{Server, connect, wait_until};

impl Server {
    /// Stops the server without a checkpoint, as an operator in a hurry would.
    pub fn stop_immediately(&mut self) {
        self.end_by(Signal::SIGQUIT);
    }

    /// Sends SIGKILL to all processes at once: whatever was not yet given to the operating system is lost.
    pub fn kill(&mut self) {
        let mut postmaster = self.postmaster.take().expect("the server runs");
        kill_family(pid(&postmaster));
        postmaster.wait().unwrap();
    }

    /// Sends SIGKILL to one backend, whereupon the server ends all others and recovers; then it accepts connections
    /// again.
    pub fn crash(&mut self) {
        let mut victim = self.connect("postgres");
        let backend = victim.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        self.crash_at(backend);
    }

    /// As [`crash`](Self::crash), for this backend.
    pub fn crash_at(&self, backend: i32) {
        let mut witness = self.connect("postgres");
        signal(Pid::from_raw(backend), Signal::SIGKILL);
        wait_until("the server to notice the crash", || witness.batch_execute("SELECT").is_err());
        wait_until("the server to recover", || connect(&self.directory, "postgres").is_ok());
    }

    /// Sends SIGKILL to the postmaster alone, and returns when its children have ended by themselves.
    pub fn kill_postmaster(&mut self) {
        let mut postmaster = self.postmaster.take().expect("the server runs");
        kill_parent(pid(&postmaster));
        postmaster.wait().unwrap();
    }

    /// Sends SIGKILL to this process of the server, and returns whether that has ended it: it may just have ended.
    #[must_use]
    pub fn kill_process(process: i32) -> bool {
        kill_surely(Pid::from_raw(process))
    }

    pub(crate) fn end_by(&mut self, how: Signal) {
        let mut postmaster = self.postmaster.take().expect("the server runs");
        signal(pid(&postmaster), how);
        postmaster.wait().unwrap();
    }
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(process.id().try_into().expect("process numbers are small"))
}
