//! Identifiers of tokens and events: uuid version 7 (RFC 9562, section 5.7), so that they sort by time and no sequence
//! has to be dumped, restored or kept apart between servers.
//!
//! The twelve bits after the milliseconds hold their fraction (section 6.2, method 3): events of one transaction sort in
//! the order in which they happened.

use pgrx::Uuid;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::Error;
use crate::pg::clock::Timestamp;

/// The least identifier that something of this moment can have.
pub fn first(at: Timestamp) -> Uuid {
    let id = uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &[0; 10]).into_uuid();
    Uuid::from_bytes(id.into_bytes())
}

/// A new identifier for something that happens at this moment.
///
/// # Errors
/// 58030 when the operating system gives no random bytes.
pub fn new(at: Timestamp) -> Result<Uuid, Error> {
    let mut random = [0; 10];
    OsRng.try_fill_bytes(&mut random).map_err(|_| Error::Random)?;
    random[..2].copy_from_slice(&at.fraction_of_milli().to_be_bytes());
    let id = uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &random).into_uuid();
    Ok(Uuid::from_bytes(id.into_bytes()))
}
