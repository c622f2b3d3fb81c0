//! Correlation ids: they connect a refusal that a client sees with the logs and events of the server.

use std::cell::Cell;

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::ServerError;
use crate::pg::process::backend_local::backend_local;
use crate::pg::transaction::xact;
use crate::pg::types::composite::CORRELATION;
use crate::pg::types::text::Text;

backend_local! {
    /// The random part, drawn at the first use in this process, and a counter.
    static SEQUENCE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    /// The last number drawn, and how many transactions of this process had ended by then.
    static LAST: Cell<Option<(u128, u64)>> = const { Cell::new(None) };
}

/// Length of an id.
pub const LENGTH: usize = CORRELATION;

/// A new id: 32 hexadecimal digits, in all likelihood unique; neither secret nor unpredictable.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn new() -> Result<[u8; LENGTH], ServerError> {
    next().map(digits)
}

/// As [`new`], for a verification that tells nobody its id: events of the transaction do.
///
/// # Errors
/// As `new`.
pub fn next() -> Result<u128, ServerError> {
    let (random, count) = match SEQUENCE.get() {
        Some(sequence) => sequence,
        None => (OsRng.try_next_u64().map_err(|_| ServerError::Random)?, 0),
    };
    SEQUENCE.set(Some((random, count.wrapping_add(1))));
    let number = (u128::from(random) << 64) | u128::from(count);
    LAST.set(Some((number, xact::ended())));
    Ok(number)
}

fn digits(number: u128) -> [u8; LENGTH] {
    let mut digits = [0; LENGTH];
    // An id has exactly twice as many digits as the number has bytes, so this cannot fail.
    let _ = hex::encode_to_slice(number.to_be_bytes(), &mut digits);
    digits
}

/// The id of the last verification in the current transaction, if any: what follows is done on behalf of that request.
pub fn of_transaction() -> Option<Text> {
    LAST.get().filter(|(_, after)| *after == xact::ended()).map(|(number, _)| Text::from(digits(number).to_vec()))
}
