//! Counts uses in shared memory, if the library is preloaded.

use std::cell::Cell;

use pgrx::Uuid;

use super::slots::{Address, Database, LABEL, OpenBatch, Sample, Slots, UsageKey, Use};
use super::wake;
use crate::model::network::Client;
use crate::model::verdict::Verdict;
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::{background_worker, database, shared_memory};
use crate::pg::roles::role;
use crate::pg::types::clock::Timestamp;

backend_local! {
    /// This backend's database: a process is connected to one only, which cannot be dropped meanwhile.
    static DATABASE: Cell<Option<&'static Database>> = const { Cell::new(None) };
}

/// This backend's database; `None` if there are too many.
#[inline]
pub fn database(slots: Slots<'static>) -> Option<&'static Database> {
    DATABASE.get().or_else(|| {
        let found = slots.header.databases.find(database::current(), Timestamp::now().micros());
        DATABASE.set(found);
        found
    })
}

/// The key of a token of this database.
#[inline]
pub fn key(token: Uuid) -> UsageKey {
    UsageKey { database: database::current(), token: *token.as_bytes() }
}

/// Counts a verification of a token.
#[inline]
pub fn count(
    slots: Slots<'static>,
    token: Uuid,
    verdict: Verdict,
    client: Option<Client>,
    now: Timestamp,
) -> Option<Denial> {
    let Some(database) = database(slots) else {
        // No worker comes for it.
        slots.drop_use();
        return None;
    };
    let client = client.map(|client| Address::of(client.address()));
    let counted = slots.count(&key(token), &Use { at: now.micros(), valid: verdict.ok(), client });
    database.count(verdict, background_worker::id().cast_unsigned());
    database.wait(now.micros());
    if counted.is_first {
        wake::launcher_if_filling(slots);
    }
    counted.is_sample.then(|| Denial::new(slots, Some(token), verdict, client, now))
}

/// Remembers that a use of a token was not counted.
#[cold]
pub fn leave_out() {
    if let Some(database) = shared_memory::slots().and_then(database) {
        database.leave_out();
    }
}

/// Counts a verification that found no token.
pub fn count_without_token(slots: Slots<'static>, verdict: Verdict, client: Option<Client>) -> Option<Denial> {
    let database = database(slots)?;
    database.count(verdict, background_worker::id().cast_unsigned());
    let now = Timestamp::now();
    // A request without a token is not a denial.
    if verdict == Verdict::Missing || !database.is_sample(now.micros()) {
        return None;
    }
    database.wait(now.micros());
    let client = client.map(|client| Address::of(client.address()));
    Some(Denial::new(slots, None, verdict, client, now))
}

/// A denial that becomes an event when it is dropped, whether the verdict is returned or raised.
pub struct Denial {
    slots: Slots<'static>,
    /// Boxed: outcomes are moved from function to function, and hardly any has one.
    sample: Box<Sample>,
}

impl Denial {
    #[cold]
    fn new(
        slots: Slots<'static>,
        token: Option<Uuid>,
        verdict: Verdict,
        client: Option<Address>,
        now: Timestamp,
    ) -> Self {
        let sample = Box::new(Sample {
            database: database::current(),
            role: role::effective().to_u32(),
            session_role: role::session().to_u32(),
            token: token.map(|token| *token.as_bytes()),
            verdict,
            at: now.micros(),
            client,
            correlation: [0; 16],
            label: [0; LABEL],
        });
        Denial { slots, sample }
    }

    /// Adds the label of the derived token, which is ASCII.
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.sample.label.iter_mut().zip(label.bytes()).for_each(|(place, byte)| *place = byte);
        self
    }

    /// Adds the correlation id that the caller is told, 32 hexadecimal digits.
    pub fn with_correlation(mut self, correlation: &[u8]) {
        // Our ids always decode; with any other the event has none.
        let _ = hex::decode_to_slice(correlation, &mut self.sample.correlation);
    }
}

impl Drop for Denial {
    fn drop(&mut self) {
        self.slots.header.samples.put(&self.sample);
    }
}

/// The batch of a flight in this database: one that was handed out may be of the memory before a restart.
pub fn batch(slots: Slots<'static>, batch: u64) -> OpenBatch {
    database(slots).and_then(Database::open).filter(|open| open.batch == batch).unwrap_or_else(|| slots.batch(batch))
}
