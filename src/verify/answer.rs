//! The outcome of a verification, and its answer: the composite `tokenauth.verification`.

use std::rc::Rc;

use pgrx::Uuid;
use serde_json::json;

use super::accepted::Accepted;
use crate::catalog::event::correlation;
use crate::error::Error;
use crate::model::data_scope::DataScopes;
use crate::model::narrowing::Narrowing;
use crate::model::network::ClientAddress;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scope;
use crate::model::verdict::Verdict;
use crate::pg::sql::statement::fields;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::{Fields, Verification};
use crate::pg::types::encoding;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::usage::{Denial, RetryAfter};

/// The outcome of a verification.
pub enum Outcome {
    /// The token is valid; with what only the answer needs, unless the answer is cached.
    Accepted(Rc<Accepted>, Option<Shown>),
    /// The token is not valid, or there is none.
    Refused(Refused),
}

/// Fields of an accepted token that only the answer needs.
pub struct Shown {
    pub name: Option<Text>,
    /// When it was issued or, a child, begins by its own word.
    pub issued_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub metadata: Option<Jsonb>,
    /// Whether the accepted token is cached, so that the answer is worth caching.
    pub is_kept: bool,
}

/// A refusal.
pub struct Refused {
    /// Why.
    pub verdict: Verdict,
    /// Id, kind and name of the token, for logs.
    token: Option<(Uuid, Text, Option<Text>)>,
    detail: Option<Jsonb>,
    /// Label and end of the child that was presented, if one was.
    derived: Option<Jsonb>,
    /// The denial that is to become an event, if any.
    denial: Option<Denial>,
}

impl Outcome {
    /// A refusal without a token.
    pub fn without_token(verdict: Verdict, denial: Option<Denial>) -> Self {
        Outcome::Refused(Refused { verdict, token: None, detail: None, derived: None, denial })
    }

    /// The outcome as the composite.
    ///
    /// # Errors
    /// 58030 when the operating system provides no random bytes.
    pub fn answer(self) -> Result<Verification, Error> {
        let correlation_id = correlation::new()?;
        Ok(match self {
            Outcome::Refused(refused) => Verification::Formed(refused.fields(correlation_id)),
            Outcome::Accepted(accepted, None) => Verification::Cached(accepted, correlation_id),
            Outcome::Accepted(accepted, Some(shown)) => {
                let is_kept = shown.is_kept;
                let fields = shown.fields(&accepted, correlation_id);
                if is_kept { Verification::CachedComposite(fields, accepted) } else { Verification::Formed(fields) }
            }
        })
    }
}

impl Shown {
    fn fields(self, accepted: &Accepted, correlation_id: [u8; correlation::LENGTH]) -> Fields<16> {
        // Stored names parse.
        let owner = PrincipalName::parse(&accepted.owner).ok();
        Fields::new(fields![
            Verdict::Valid.as_str(),
            Verdict::Valid.ok(),
            i32::from(Verdict::Valid.http_status()),
            accepted.id,
            accepted.effective.kind().name.as_bytes(),
            &*accepted.owner,
            owner.as_ref().map(PrincipalName::principal_type),
            owner.as_ref().map(PrincipalName::id),
            self.name,
            accepted.effective.array(),
            json_of(accepted.data_scopes()),
            self.expires_at,
            self.metadata,
            None::<Jsonb>,
            &correlation_id[..],
            accepted.narrowing().map(|narrowing| described(narrowing)),
        ])
    }
}

impl Refused {
    /// The refusal of a token that exists.
    pub fn token(verdict: Verdict, id: Uuid, kind: Text, name: Option<Text>, denial: Option<Denial>) -> Self {
        Refused { verdict, token: Some((id, kind, name)), detail: None, derived: None, denial }
    }

    /// Adds which child of the token was presented, if one was.
    pub fn derived(mut self, narrowing: Option<&Narrowing>) -> Self {
        self.derived = narrowing.map(described);
        self
    }

    /// Adds why the owner is inactive.
    pub fn because(mut self, state_reason: Option<&Text>) -> Self {
        self.detail =
            state_reason.map(|reason| Jsonb::of(&json!({"state_reason": encoding::to_utf8_lossy(reason.as_bytes())})));
        self
    }

    /// Adds what is wrong with the client of a token that is bound to networks.
    pub fn for_client(mut self, client: ClientAddress) -> Self {
        let client = match client {
            ClientAddress::NotGiven => "not_given",
            ClientAddress::Unreadable => "unreadable",
            ClientAddress::Known(_) => "outside",
        };
        self.detail = Some(Jsonb::of(&json!({ "client": client })));
        self
    }

    /// Adds the time after which to try again.
    pub fn not_before(mut self, retry_after: Option<RetryAfter>) -> Self {
        self.detail = retry_after.map(|after| Jsonb::of(&json!({"retry_after": after.seconds})));
        self
    }

    /// Adds the scopes that are required and not granted.
    pub fn missing(mut self, scopes: &[&Scope]) -> Self {
        let missing: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        self.detail = Some(Jsonb::of(&json!({ "missing": missing })));
        self
    }

    /// Lets the event of this denial, if it is to become one, carry the id that identifies the verification.
    pub fn with_correlation(self, correlation_id: &[u8; correlation::LENGTH]) {
        if let Some(denial) = self.denial {
            denial.with_correlation(correlation_id);
        }
    }

    /// The kind of the token, if there is one.
    pub fn kind(&self) -> Option<&Text> {
        self.token.as_ref().map(|(_, kind, _)| kind)
    }

    /// Details of the reason.
    pub fn detail(&self) -> Option<&Jsonb> {
        self.detail.as_ref()
    }

    fn fields(self, correlation_id: [u8; correlation::LENGTH]) -> Fields<16> {
        if let Some(denial) = self.denial {
            denial.with_correlation(&correlation_id);
        }
        let (id, kind, name) = self.token.map_or((None, None, None), |(id, kind, name)| (Some(id), Some(kind), name));
        Fields::new(fields![
            self.verdict.as_str(),
            self.verdict.ok(),
            i32::from(self.verdict.http_status()),
            id,
            kind,
            None::<Text>,
            None::<Text>,
            None::<Text>,
            name,
            None::<Text>,
            None::<Jsonb>,
            None::<Timestamp>,
            None::<Jsonb>,
            self.detail,
            &correlation_id[..],
            self.derived,
        ])
    }
}

/// What verifications and identities tell of a child.
pub fn described(narrowing: &Narrowing) -> Jsonb {
    let label = narrowing.label().map(str::as_bytes);
    JsonObject::new().text("label", label).moment("expires_at", Some(narrowing.end())).into()
}

fn json_of(data_scopes: Option<&DataScopes>) -> Jsonb {
    match data_scopes {
        Some(restricted) if !restricted.is_unrestricted() => Jsonb::of(&restricted.to_value()),
        _ => Jsonb::empty_object(),
    }
}
