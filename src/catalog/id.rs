//! Ids of tokens and events: uuid version 7 (RFC 9562, section 5.7). They sort by time, and there is no sequence to
//! dump, restore or keep distinct between servers.
//!
//! The twelve bits after the milliseconds hold their fraction (section 6.2, method 3), so that events of one
//! transaction sort in the order in which they happened.

use pgrx::Uuid;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::ServerError;
use crate::pg::types::clock::Timestamp;

/// The least id that anything of this microsecond can have.
pub fn first(at: Timestamp) -> Uuid {
    of(at, [0; 10])
}

/// A new id for something that happens at this moment.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn new(at: Timestamp) -> Result<Uuid, ServerError> {
    let mut random = [0; 10];
    OsRng.try_fill_bytes(&mut random).map_err(|_| ServerError::Random)?;
    Ok(of(at, random))
}

fn of(at: Timestamp, mut rest: [u8; 10]) -> Uuid {
    rest[..2].copy_from_slice(&at.fraction_of_milli().to_be_bytes());
    Uuid::from_bytes(uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &rest).into_uuid().into_bytes())
}
