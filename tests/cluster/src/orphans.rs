//! Collects orphans, as init does on a machine.
//!
//! A program that starts servers leaves them to init. In a container nobody may collect them: one that has ended stays
//! a zombie, and whoever waits until its process is gone waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid, getsid};

use crate::processes::{Stat, children};

/// As long as it lives, orphans that have a session of their own are collected here. What a test has started itself is
/// in its session, and it collects that itself.
pub struct Orphans {
    end: Arc<AtomicBool>,
    collector: Option<JoinHandle<()>>,
}

impl Orphans {
    /// Begins to adopt and to collect them.
    #[must_use]
    pub fn adopt() -> Self {
        prctl::set_child_subreaper(true).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&end);
        let collector = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if somebody_has_ended() {
                    collect();
                }
                sleep(Duration::from_millis(100));
            }
        });
        Self { end, collector: Some(collector) }
    }
}

/// Asks without looking through all processes.
fn somebody_has_ended() -> bool {
    let ask = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, ask).is_ok_and(|status| status != WaitStatus::StillAlive)
}

fn collect() {
    let ours = getsid(None).unwrap();
    let is_orphan = |process: &Pid| Stat::of(*process).is_some_and(|stat| stat.state == "Z" && stat.session != ours);
    for orphan in children(getpid()).into_iter().filter(is_orphan) {
        let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.collector.take().expect("it is there until then").join();
        let _ = prctl::set_child_subreaper(false);
    }
}
