//! The verdict on a token that exists: each check in the order of the contract.

use pgrx::Uuid;

use super::Question;
use super::answer::{Answer, Granted};
use crate::catalog::kind::{self, stored_scopes};
use crate::catalog::principal::{self, Principal, stored_data_scopes};
use crate::catalog::token::{BY_LOOKUP, column};
use crate::error::Error;
use crate::network::{Client, Network};
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::jsonb::Jsonb;
use crate::pg::probe::Key;
use crate::pg::row::Row;
use crate::pg::snapshot::Latest;
use crate::pg::text::Text;
use crate::token::{Digest, Lookup};
use crate::usage;
use crate::verdict::Verdict;

/// A token whose digest is the one presented.
pub struct Matched {
    id: Uuid,
    kind: Text,
    owner: Text,
    name: Option<Text>,
    owner_epoch: i64,
    dies_with_owner: bool,
    revoked: bool,
    disabled: bool,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    scopes: Option<TextArray>,
    data_scopes: Option<Jsonb>,
    networks: Option<TextArray>,
    metadata: Option<Jsonb>,
}

impl Matched {
    /// The token with this lookup, if its digest is this one. They are compared in constant time.
    pub fn find(lookup: Lookup, digest: &Digest, snapshot: &Latest) -> Option<Self> {
        BY_LOOKUP
            .find(Key::Bigint(lookup.to_bigint()), snapshot, |row| {
                row.bytes(column::DIGEST)
                    .is_some_and(|stored| digest.matches(stored))
                    .then(|| Matched::read(row))
            })
            .flatten()
    }

    fn read(row: &Row) -> Self {
        Matched {
            id: row.required(column::ID),
            kind: row.required(column::KIND),
            owner: row.required(column::OWNER),
            name: row.optional(column::NAME),
            owner_epoch: row.required(column::OWNER_EPOCH),
            dies_with_owner: row.required(column::DIES_WITH_OWNER),
            revoked: !row.is_null(column::REVOKED_AT) || !row.is_null(column::DELETED_AT),
            disabled: !row.is_null(column::DISABLED_AT),
            expires_at: row.optional(column::EXPIRES_AT),
            not_before: row.optional(column::NOT_BEFORE),
            scopes: row.optional(column::SCOPES),
            data_scopes: row.optional(column::DATA_SCOPES),
            networks: row.optional(column::NETWORKS),
            metadata: row.optional(column::METADATA),
        }
    }

    /// Judges it, and counts the use.
    pub fn judge(self, question: &Question, snapshot: &Latest) -> Result<Answer, Error> {
        let now = Timestamp::now();
        // The foreign keys see to it that both are there. Were they not, the token would be refused.
        let (Some(owner), Some(kind)) = (
            principal::find(self.owner.as_bytes(), snapshot),
            kind::find(self.kind.as_bytes(), snapshot),
        ) else {
            return Answer::without_token(Verdict::Unknown);
        };
        let (id, verdict) = (self.id, self.state(&owner, question.client, now));
        let answer = match verdict {
            Some(verdict) => {
                let reason = (verdict == Verdict::OwnerInactive)
                    .then_some(owner.state_reason)
                    .flatten();
                Answer::refused(verdict, self.id, self.kind, self.name)?.because(reason)
            }
            None => {
                let granted = self.scopes.as_ref().map(stored_scopes);
                let scopes = kind.effective_scopes(granted, &owner.permissions);
                let missing: Vec<&str> = question
                    .require
                    .missing_from(&scopes)
                    .map(|scope| scope.as_str())
                    .collect();
                if missing.is_empty() {
                    let data_scopes = kind
                        .effective_data_scopes(self.data_scopes.as_ref().map(stored_data_scopes), &owner.data_scopes());
                    let granted = Granted {
                        owner: self.owner,
                        scopes,
                        data_scopes,
                        expires_at: self.expires_at,
                        metadata: self.metadata,
                    };
                    Answer::valid(self.id, self.kind, self.name, granted)?
                } else {
                    Answer::refused(Verdict::InsufficientScope, self.id, self.kind, self.name)?.missing(&missing)
                }
            }
        };
        usage::count(id, answer.is_valid(), now, snapshot);
        Ok(answer)
    }

    /// What is wrong with the token, whatever is asked of it.
    fn state(&self, owner: &Principal, client: Option<Client>, now: Timestamp) -> Option<Verdict> {
        if self.revoked || owner.has_killed(self.owner_epoch, self.dies_with_owner) {
            Some(Verdict::Revoked)
        } else if self.disabled {
            Some(Verdict::Disabled)
        } else if self.not_before.is_some_and(|start| now < start) {
            Some(Verdict::NotYetValid)
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Some(Verdict::Expired)
        } else if !owner.active {
            Some(Verdict::OwnerInactive)
        } else if self.networks.as_ref().is_some_and(|networks| !admits(networks, client)) {
            Some(Verdict::NetworkDenied)
        } else {
            None
        }
    }
}

fn admits(networks: &TextArray, client: Option<Client>) -> bool {
    client.is_some_and(|client| {
        networks
            .stored()
            .filter_map(|network| Network::parse(network).ok())
            .any(|network| network.contains(client))
    })
}
