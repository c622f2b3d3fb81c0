//! How far a token goes: what it was granted, until when it works, and from where.

use super::grant::Grant;
use crate::model::data_scope::DataScopes;
use crate::model::network::{Networks, are_within};
use crate::pg::types::clock::Timestamp;

/// How far a token goes, by what is stored of it.
#[derive(Clone, Debug)]
pub struct Extent {
    /// What it was granted.
    pub grant: Grant,
    /// When it stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// The networks it may be used from; `None`: any.
    pub networks: Option<Networks>,
}

impl Extent {
    /// Whether it goes further than the other in anything.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.outlives(other) || self.is_wider_than(other) || self.grants_more_than(other)
    }

    /// Whether it was granted something that the other was not.
    pub fn grants_more_than(&self, other: &Self) -> bool {
        let scopes = match (&self.grant.scopes, &other.grant.scopes) {
            (Some(ours), Some(theirs)) => !ours.within(theirs),
            (Some(ours), None) => !ours.is_empty(),
            (None, _) => false,
        };
        let data_scopes = match (&self.grant.data_scopes, &other.grant.data_scopes) {
            (Some(ours), Some(theirs)) => !ours.within(theirs),
            (Some(ours), None) => !ours.within(&DataScopes::nothing()),
            (None, _) => false,
        };
        scopes || data_scopes
    }

    /// Whether it still works when the other does not any more.
    pub fn outlives(&self, other: &Self) -> bool {
        match (self.expires_at, other.expires_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(ours), Some(theirs)) => ours > theirs,
        }
    }

    /// Whether it works from somewhere that the other does not.
    pub fn is_wider_than(&self, other: &Self) -> bool {
        !are_within(self.networks.as_ref(), other.networks.as_ref())
    }
}
