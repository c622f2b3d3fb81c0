//! A batch of usage as JSON.

mod written;

use std::collections::BTreeMap;

use pgrx::Uuid;

use super::slots::{OpenBatch, Record, Taken};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;

pub use written::Batch;

impl Batch {
    /// The batch of these uses, merged by token.
    pub fn of(open: OpenBatch, taken: &[Taken]) -> Self {
        let mut uses: BTreeMap<[u8; 16], Record> = BTreeMap::new();
        for Taken { token, record, .. } in taken {
            uses.entry(*token).or_default().merge(record);
        }
        Batch { open, uses, copy: None }
    }

    /// As handed out by this server.
    pub fn by(self, copy: Uuid) -> Self {
        Batch { copy: Some(*copy.as_bytes()), ..self }
    }

    /// The server that hands it out.
    pub fn copy(&self) -> Option<Uuid> {
        self.copy.map(Uuid::from_bytes)
    }

    /// The last moment of any use in it: whoever has handed it out has handed out all until then.
    pub fn until(&self) -> Option<Timestamp> {
        self.uses.values().map(|record| record.last_use.max(record.last_denial)).max().and_then(Timestamp::of_micros)
    }

    /// The batch in the form that is handed out.
    pub fn to_jsonb(&self) -> Jsonb {
        Jsonb::of(&self.to_value())
    }

    /// Reads a batch in the form that is handed out; `None` for anything else.
    pub fn of_jsonb(json: &Jsonb) -> Option<Self> {
        Batch::of_value(&json.value())
    }
}
