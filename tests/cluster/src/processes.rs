//! Kills servers the hard way.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// Sends the signal, unless the process has just ended.
pub fn signal(process: Pid, signal: Signal) {
    let _ = kill(process, signal);
}

fn children(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("/proc can be read");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter(|process| matches!(state(*process), Some((_, of)) if of == parent))
        .collect()
}

/// Whether the process runs. A zombie does not: it holds nothing any more, and in a container nobody may collect it.
fn is_running(process: Pid) -> bool {
    matches!(state(process), Some((state, _)) if state != "Z")
}

/// State and parent from `/proc/PID/stat`: `pid (name) state parent …`, where the name may contain anything.
fn state(process: Pid) -> Option<(String, Pid)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), Pid::from_raw(fields.next()?.parse().ok()?)))
}
