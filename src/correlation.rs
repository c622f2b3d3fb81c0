//! Correlation ids: what ties a refusal seen by a client to the logs and events of the server.

use std::cell::Cell;

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::Error;

thread_local! {
    /// A random part, drawn at the first use in this process, and a counter.
    static SEQUENCE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

/// A new id: 32 hexadecimal digits, unique in all likelihood, not secret and not unpredictable.
///
/// # Errors
/// 58030 when the operating system gives no random bytes.
pub fn new() -> Result<String, Error> {
    let (random, count) = match SEQUENCE.get() {
        Some(sequence) => sequence,
        None => (OsRng.try_next_u64().map_err(|_| Error::Random)?, 0),
    };
    SEQUENCE.set(Some((random, count.wrapping_add(1))));
    Ok(format!("{random:016x}{count:016x}"))
}
