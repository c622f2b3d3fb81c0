//! Events are append-only; by this door `purge` removes old ones, and `erase` takes out of them who somebody was. The
//! trigger on `tokenauth.event` asks whether it is open.

use crate::pg::process::backend_local::backend_local;
use std::cell::Cell;

/// The event that records a removal of events.
pub const PURGED: &str = "history.purged";

backend_local! {
    /// Whether this backend is removing or changing events now: private memory, which no SQL can set.
    static UNLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this backend may remove and change events: around constant SQL of ours and nothing else.
pub struct Unlocked;

impl Unlocked {
    /// Lets this backend do so from now on.
    pub fn new() -> Self {
        UNLOCKED.set(true);
        Unlocked
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        UNLOCKED.set(false);
    }
}

/// Whether this backend may remove and change events now.
pub fn is_unlocked() -> bool {
    UNLOCKED.get()
}
