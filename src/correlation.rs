//! Correlation ids: what ties a refusal seen by a client to the logs and events of the server.

use std::cell::Cell;

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::Error;
use crate::pg::composite::CORRELATION;
use crate::pg::text::Text;
use crate::pg::xact;

thread_local! {
    /// A random part, drawn at the first use in this process, and a counter.
    static SEQUENCE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    /// The last id that was made, and after how many transactions of this process.
    static LAST: Cell<Option<([u8; LENGTH], u64)>> = const { Cell::new(None) };
}

/// Length of an id.
pub const LENGTH: usize = CORRELATION;

/// A new id: 32 hexadecimal digits, unique in all likelihood, not secret and not unpredictable.
///
/// # Errors
/// 58030 when the operating system gives no random bytes.
pub fn new() -> Result<[u8; LENGTH], Error> {
    let (random, count) = match SEQUENCE.get() {
        Some(sequence) => sequence,
        None => (OsRng.try_next_u64().map_err(|_| Error::Random)?, 0),
    };
    SEQUENCE.set(Some((random, count.wrapping_add(1))));
    let mut id = [0; LENGTH];
    let number = (u128::from(random) << 64) | u128::from(count);
    // Twice as many digits as bytes, so it cannot fail.
    hex::encode_to_slice(number.to_be_bytes(), &mut id).map_err(|_| Error::Random)?;
    LAST.set(Some((id, xact::ended())));
    Ok(id)
}

/// The id of the last verification in the current transaction, if there was one: what else the transaction does is done on
/// behalf of that request.
pub fn of_transaction() -> Option<Text> {
    LAST.get().filter(|(_, after)| *after == xact::ended()).map(|(id, _)| Text::from(id.to_vec()))
}
