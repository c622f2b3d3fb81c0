//! What workers do unasked.

use crate::pg::process::background_worker;
use crate::pg::transaction::acting_as::ActingAs;

/// Runs `act` in a transaction of its own, as the owner of the extension. `None` where that is not installed: a schema
/// of its name may be anybody's.
pub fn as_owner<T>(act: impl FnOnce() -> T) -> Option<T> {
    background_worker::in_transaction(|| {
        let _owner = ActingAs::owner_of_ours_restricted()?;
        Some(act())
    })
}
