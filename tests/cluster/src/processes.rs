//! Kills servers the hard way.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::wait_until;

/// Kills the process and its children with SIGKILL, and returns when none of them runs any more.
///
/// The parent is stopped first: a postmaster that sees a child die would start recovery, and a child that sees its
/// postmaster die could still write what a real crash loses.
pub fn kill_family(parent: Pid) {
    signal(parent, Signal::SIGSTOP);
    let mut family = children(parent);
    family.push(parent);
    for process in &family {
        signal(*process, Signal::SIGKILL);
    }
    while family.iter().any(|process| is_running(*process)) {
        sleep(Duration::from_millis(5));
    }
}

/// Kills the process with SIGKILL, and returns when its children have ended too, of which none was told.
pub fn kill_parent(parent: Pid) {
    // So that it has no others in the end.
    signal(parent, Signal::SIGSTOP);
    let orphans = children(parent);
    signal(parent, Signal::SIGKILL);
    wait_until("the orphans to end", || !orphans.iter().any(|process| is_running(*process)));
}

/// Kills the process with SIGKILL, and returns whether it died of that. One that was stopped before cannot end in any
/// other way.
pub fn kill_surely(process: Pid) -> bool {
    signal(process, Signal::SIGSTOP);
    let mut is_stopped = false;
    wait_until("the process to stop", || {
        is_stopped = Stat::of(process).is_some_and(|stat| stat.state == "T");
        is_stopped || !is_running(process)
    });
    signal(process, Signal::SIGKILL);
    is_stopped
}

/// Sends the signal, unless the process has just ended.
pub fn signal(process: Pid, signal: Signal) {
    let _ = kill(process, signal);
}

/// The children of a process, those that are zombies among them.
pub fn children(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("/proc can be read");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter(|process| Stat::of(*process).is_some_and(|stat| stat.parent == parent))
        .collect()
}

/// Whether the process runs. A zombie does not: it holds nothing any more, and in a container nobody may collect it.
fn is_running(process: Pid) -> bool {
    Stat::of(process).is_some_and(|stat| stat.state != "Z")
}

/// What the system tells of a process.
pub struct Stat {
    /// A letter.
    pub state: String,
    parent: Pid,
    /// Who began its session.
    pub session: Pid,
}

impl Stat {
    /// Reads `/proc/PID/stat`: `pid (name) state parent group session …`, where the name may contain anything.
    pub fn of(process: Pid) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').take(4).collect();
        let [state, parent, _, session] = fields[..] else { return None };
        let pid = |field: &str| field.parse().ok().map(Pid::from_raw);
        Some(Self { state: state.to_owned(), parent: pid(parent)?, session: pid(session)? })
    }
}
