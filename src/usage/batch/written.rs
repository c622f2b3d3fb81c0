//! A batch as it is handed out: its JSON, written and understood. Without server and SQL, so that it is fuzzed alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::usage::slots::{Address, OpenBatch, Record};

/// The last moment that is read: 9999-12-31 23:59:59.999999 UTC, in microseconds since 2000.
const LATEST: i64 = 252_455_615_999_999_999;

/// Uses of tokens, with the batch and the memory that they are of.
pub struct Batch {
    /// The batch, and its memory.
    pub open: OpenBatch,
    /// The uses by token.
    pub uses: BTreeMap<[u8; 16], Record>,
    /// The server that hands it out.
    pub copy: Option<[u8; 16]>,
}

impl Batch {
    /// The batch in the form that is handed out. Moments are microseconds since 2000.
    pub fn to_value(&self) -> Value {
        let tokens: Vec<Value> = self
            .uses
            .iter()
            .map(|(token, record)| {
                json!({
                    "id": text(*token),
                    "first_use": record.first_use,
                    "last_use": record.last_use,
                    "last_denial": record.last_denial,
                    "requests": record.requests,
                    "denials": record.denials,
                    "client": record.client().map(Address::text),
                    "networks": record.networks().collect::<Vec<_>>(),
                })
            })
            .collect();
        let mut json = json!({"node": text(self.open.node), "batch": self.open.batch, "tokens": tokens});
        if let Some(copy) = self.copy {
            json["copy"] = text(copy).into();
        }
        json
    }

    /// Reads a batch in the form that is handed out; `None` for anything else.
    pub fn of_value(json: &Value) -> Option<Self> {
        let batch = count(&json["batch"]).filter(|&batch| batch > 0)?;
        let open = OpenBatch { node: id(&json["node"])?, batch };
        let uses = json["tokens"]
            .as_array()?
            .iter()
            .map(|token| Some((id(&token["id"])?, record(token)?)))
            .collect::<Option<_>>()?;
        // A server of before 0.2.0 does not tell; its memory stands for it.
        Some(Batch { open, uses, copy: Some(id(&json["copy"]).unwrap_or(open.node)) })
    }
}

fn record(token: &Value) -> Option<Record> {
    let client = match &token["client"] {
        Value::Null => None,
        client => Some(address(client.as_str()?)?),
    };
    let networks = token["networks"].as_array()?.iter();
    let networks = networks.map(|network| address(network.as_str()?.split('/').next()?)).collect::<Option<Vec<_>>>()?;
    let mut record = Record::default().from(client, networks);
    record.first_use = moment(&token["first_use"])?;
    record.last_use = moment(&token["last_use"])?;
    record.last_denial = moment(&token["last_denial"])?;
    record.requests = count(&token["requests"])?;
    record.denials = count(&token["denials"])?;
    Some(record).filter(|record| record.last_use.max(record.last_denial) > 0)
}

/// Reads a moment: 0, which is none, or one that every client can write.
fn moment(value: &Value) -> Option<i64> {
    value.as_i64().filter(|micros| (0..=LATEST).contains(micros))
}

/// Reads a count that a `bigint` can hold, with room to add to it.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().filter(|&count| count <= u64::from(u32::MAX) << 16)
}

fn address(text: &str) -> Option<Address> {
    text.parse().ok().map(Address::of)
}

fn id(value: &Value) -> Option<[u8; 16]> {
    Some(Uuid::try_parse(value.as_str()?).ok()?.into_bytes())
}

fn text(id: [u8; 16]) -> String {
    Uuid::from_bytes(id).hyphenated().to_string()
}
