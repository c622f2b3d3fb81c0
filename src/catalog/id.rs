//! Ids of tokens and events: uuid version 7 (RFC 9562, section 5.7). They sort by time, and there is no sequence to
//! dump, restore or keep distinct between servers.
//!
//! The twelve bits after the milliseconds hold their fraction (section 6.2, method 3), so that events of one
//! transaction sort in the order in which they happened.

use std::cell::RefCell;

use pgrx::Uuid;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::ServerError;
use crate::pg::process::backend_local::backend_local;
use crate::pg::types::clock::Timestamp;

/// The random bytes of an id.
const RANDOM: usize = 10;

/// How many are drawn at once. The operating system takes hardly longer for as many as for those of one id, which is no
/// secret that has to be drawn by itself.
const AT_ONCE: usize = 32 * RANDOM;

backend_local! {
    /// Random bytes for the next ids, and how many of them are used.
    static DRAWN: RefCell<([u8; AT_ONCE], usize)> = const { RefCell::new(([0; AT_ONCE], AT_ONCE)) };
}

/// The least id that anything of this microsecond can have.
pub fn first(at: Timestamp) -> Uuid {
    of(at, [0; RANDOM])
}

/// A new id for something that happens at this moment.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn new(at: Timestamp) -> Result<Uuid, ServerError> {
    Ok(of(at, random()?))
}

fn random() -> Result<[u8; RANDOM], ServerError> {
    DRAWN.with_borrow_mut(|(bytes, used)| {
        if *used == bytes.len() {
            OsRng.try_fill_bytes(bytes).map_err(|_| ServerError::Random)?;
            *used = 0;
        }
        let mut random = [0; RANDOM];
        random.copy_from_slice(&bytes[*used..*used + RANDOM]);
        *used += RANDOM;
        Ok(random)
    })
}

fn of(at: Timestamp, mut rest: [u8; RANDOM]) -> Uuid {
    rest[..2].copy_from_slice(&at.fraction_of_milli().to_be_bytes());
    Uuid::from_bytes(uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &rest).into_uuid().into_bytes())
}
