//! Checks the fence: whether this server is behind it, and whether anybody writes its file.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::error::finding::Finding;
use crate::error::{Error, FenceError};
use crate::fence;
use crate::pg::process::settings::path_of;
use crate::pg::process::{database, shared_memory};
use crate::settings;

/// After how long a file that was not written is a finding: the launcher has been late five times then.
const LATE: Duration = Duration::from_secs(300);

/// What is wrong with the fence.
pub fn findings() -> Option<Finding> {
    let finding = |finding: &str, hint: &str| Some(Finding::new("fence", "tokenauth.fence_file", finding, hint));
    let Some(path) = settings::fence_file() else {
        let is_open = database::is_in_recovery() || !fence::is_unaccepted();
        let hint = "Use tokenauth.accept_restore(); see \"After a restore\" in docs/operations/restore.md.";
        return if is_open { None } else { finding("was removed from a fenced server: its standbys still are", hint) };
    };
    if let Some(refusal) = fence::refusal() {
        let error = Error::from(FenceError::from(refusal));
        return finding(&error.whole(), &error.hint());
    }
    if database::is_in_recovery() {
        return None;
    }
    if let Some(written) = fence::overtaken_by() {
        let error = Error::from(FenceError::OfAnother(written));
        return finding(&error.whole(), &error.hint());
    }
    if shared_memory::slots().is_none() {
        let hint = "Add \"tokenauth\" to shared_preload_libraries and restart the server.";
        return finding("is set, and nobody writes the file: a restored server would not notice that it is one", hint);
    }
    let hint = "The server's log says why; the server's user must be able to write its directory.";
    let Some(written) = fs::metadata(path_of(&path)).and_then(|file| file.modified()).ok() else {
        return finding("was not written: a restored server would not notice that it is one", hint);
    };
    // What was left by a stop some time ago is written again soon after the start.
    let age = SystemTime::now().duration_since(written).unwrap_or_default().min(fence::guarded_for());
    if age > LATE {
        return finding("was not written for five minutes: a restored server may not notice that it is one", hint);
    }
    None
}
