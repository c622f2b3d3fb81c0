//! The end of a test whose threads go on until it comes.

use std::sync::atomic::{AtomicBool, Ordering};

/// Comes when the value is dropped, so that no thread goes on for ever when the one that has it fails.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
