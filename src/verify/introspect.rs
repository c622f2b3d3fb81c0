//! `introspect`: verification in the words of RFC 7662, for gateways and resource servers that speak it.

use pgrx::prelude::*;

use super::accepted::Accepted;
use super::{Claim, Outcome, Question, Shown};
use crate::arguments::caller::Caller;
use crate::catalog::event::correlation;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::{PresentedText, Text};

/// Verifies a token, and answers as RFC 7662 describes it.
///
/// For a valid token: `active`, `scope` (joined by blanks, empty if it grants none), `sub` (its owner), `client_id`
/// (its kind), `jti` (its id), `iat`, `nbf` and `exp` (seconds since 1970, where it has them), `token_type`. For
/// anything else exactly `{"active": false}`: whoever asks learns no reason. It counts as a use. The answer has no data
/// scopes: whoever needs them calls `verify`. Added in 0.2.0.
///
/// # Arguments
/// - `token`: the text that was presented
///
/// # Errors
/// As `verify`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT answer ->> 'active' AS active, answer ->> 'sub' AS sub, answer ->> 'scope' AS scope
///   FROM tokenauth.introspect(:'token') answer;
/// SELECT tokenauth.introspect('nonsense');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn introspect(
    call: Call,
    token: Option<PresentedText>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Jsonb, ErrorReport> {
    Caller::enter(call)?;
    let question = Question::new(require, client)?.for_an_introspection();
    let outcome = question.ask(Claim::of_argument(token.as_ref()))?;
    let correlation_id = correlation::new()?;
    Ok(match outcome {
        Outcome::Accepted(accepted, shown) => answer(&accepted, shown.as_ref()),
        Outcome::Refused(refused) => {
            refused.with_correlation(&correlation_id);
            JsonObject::new().boolean("active", false).into()
        }
    })
}

fn answer(accepted: &Accepted, shown: Option<&Shown>) -> Jsonb {
    let seconds = |moment: Option<Timestamp>| moment.map(Timestamp::unix_seconds);
    let id = accepted.id.to_string();
    let effective = accepted.effective();
    JsonObject::new()
        .boolean("active", true)
        .text("scope", Some(effective.scopes().iter().collect::<Vec<_>>().join(" ").as_bytes()))
        .text("sub", Some(accepted.owner().as_bytes()))
        .text("client_id", Some(effective.kind().name.as_bytes()))
        .text("jti", Some(id.as_bytes()))
        .integer("iat", seconds(shown.map(|shown| shown.issued_at)))
        .integer("nbf", seconds(accepted.not_before()))
        .integer("exp", seconds(shown.and_then(|shown| shown.expires_at)))
        .text("token_type", Some(b"Bearer"))
        .into()
}
