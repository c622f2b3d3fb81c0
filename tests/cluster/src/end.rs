//! Tells threads that run until the end of a test that it has come.

use std::sync::atomic::{AtomicBool, Ordering};

/// The end comes when this value is dropped, so that the threads also stop when the test that has it fails.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
