//! The answer of a verification, as the composite `tokenauth.verification`.

use std::rc::Rc;

use pgrx::Uuid;
use serde_json::json;

use crate::correlation;
use crate::data_scope::DataScopes;
use crate::error::Error;
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::composite::{Fields, Pictured, Verification};
use crate::pg::encoding;
use crate::pg::jsonb::Jsonb;
use crate::pg::statement::fields;
use crate::pg::text::Text;
use crate::principal::PrincipalName;
use crate::scope::{Scope, Scopes};
use crate::verdict::Verdict;

/// What a valid token grants.
pub struct Granted {
    /// The principal it acts for.
    pub owner: Text,
    /// What it may do.
    pub scopes: Scopes,
    /// On which data.
    pub data_scopes: DataScopes,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// The application's own.
    pub metadata: Option<Jsonb>,
}

/// An answer.
pub struct Answer {
    verdict: Verdict,
    token: Option<(Uuid, Text, Option<Text>)>,
    granted: Option<Granted>,
    detail: Option<Jsonb>,
    correlation_id: [u8; correlation::LENGTH],
}

impl Answer {
    /// About nothing that is known.
    pub fn without_token(verdict: Verdict) -> Result<Self, Error> {
        Answer::new(verdict, None, None)
    }

    /// No, about a token whose id, kind and name are told for the logs.
    pub fn refused(verdict: Verdict, id: Uuid, kind: Text, name: Option<Text>) -> Result<Self, Error> {
        Answer::new(verdict, Some((id, kind, name)), None)
    }

    /// Yes.
    pub fn valid(id: Uuid, kind: Text, name: Option<Text>, granted: Granted) -> Result<Self, Error> {
        Answer::new(Verdict::Valid, Some((id, kind, name)), Some(granted))
    }

    fn new(
        verdict: Verdict,
        token: Option<(Uuid, Text, Option<Text>)>,
        granted: Option<Granted>,
    ) -> Result<Self, Error> {
        Ok(Answer { verdict, token, granted, detail: None, correlation_id: correlation::new()? })
    }

    /// With the reason for which the owner is inactive.
    pub fn because(mut self, state_reason: Option<&Text>) -> Self {
        self.detail =
            state_reason.map(|reason| Jsonb::of(&json!({"state_reason": encoding::to_utf8(reason.as_bytes())})));
        self
    }

    /// With the scopes that were required and are not granted.
    pub fn missing<'a>(mut self, scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let missing: Vec<&str> = scopes.map(Scope::as_str).collect();
        self.detail = Some(Jsonb::of(&json!({ "missing": missing })));
        self
    }

    /// As the composite.
    pub fn formed(self) -> Result<Verification, Error> {
        Ok(Verification::Formed(self.into_fields()))
    }

    /// As the composite, of which an image is taken for its owner.
    pub fn pictured(self, owner: Rc<dyn Pictured>) -> Result<Verification, Error> {
        Ok(Verification::Pictured(self.into_fields(), owner))
    }

    fn into_fields(self) -> Fields<15> {
        let (id, kind, name) = self.token.map_or((None, None, None), |(id, kind, name)| (Some(id), Some(kind), name));
        let status = i32::from(self.verdict.http_status());
        let granted = self.granted.map(|granted| {
            // Stored names parse.
            let name = PrincipalName::parse(granted.owner.as_bytes()).ok();
            let owner_type = name.as_ref().map(|name| Text::from(name.principal_type()));
            (granted, owner_type, name.map(|name| Text::from(name.id().to_vec())))
        });
        let (owner, owner_type, owner_id, scopes, data_scopes, expires_at, metadata) = match granted {
            None => (None, None, None, None, None, None, None),
            Some((granted, owner_type, owner_id)) => (
                Some(granted.owner),
                owner_type,
                owner_id,
                Some(TextArray::from_iter(granted.scopes.iter())),
                Some(json_of(&granted.data_scopes)),
                granted.expires_at,
                granted.metadata,
            ),
        };
        Fields::new(fields![
            self.verdict.as_str(),
            self.verdict.ok(),
            status,
            id,
            kind,
            owner,
            owner_type,
            owner_id,
            name,
            scopes,
            data_scopes,
            expires_at,
            metadata,
            self.detail,
            Text::from(self.correlation_id.to_vec()),
        ])
    }
}

fn json_of(data_scopes: &DataScopes) -> Jsonb {
    if data_scopes.is_unrestricted() { Jsonb::empty_object() } else { Jsonb::of(&data_scopes.to_value()) }
}
