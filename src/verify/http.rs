//! HTTP: takes a token from request headers, and turns a verdict into status, headers and body.

mod basic;
mod credential;
mod headers;
mod response;

use pgrx::prelude::*;

pub use credential::Credential;
pub use headers::{Headers, Names};

use crate::arguments::caller::Caller;
use crate::catalog;
use crate::error::{ArgumentError, ErrorReport};
use crate::model::scope::Scopes;
use crate::model::verdict::Verdict;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::composite::VerificationArgument;
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::settings;
use response::Response;

/// Fields of `tokenauth.verification`.
mod field {
    pub const VERDICT: usize = 1;
    pub const KIND: usize = 5;
    pub const DETAIL: usize = 14;
    pub const CORRELATION_ID: usize = 15;
}

/// The longest correlation id that an answer repeats, in bytes.
const MOST_CORRELATION: usize = 255;

/// The longest detail, in bytes of JSON: 256 scopes, or the reason of an inactive owner.
const MOST_DETAIL: usize = 256 * 1024;

/// Returns the HTTP response to a refused token: status, headers and body.
///
/// The body has the style of the token's kind. It reveals nothing of the verdict that a stranger must not learn.
///
/// # Arguments
/// - `v`: the answer of `verify` and the like
///
/// # Returns
/// `{"status": …, "headers": {…}, "body": …}`
///
/// # Errors
/// `22023` for a verification that was made by hand with an unknown verdict.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT r -> 'status' AS status, r -> 'body' -> 'message' AS message
///   FROM tokenauth.verify('nonsense') v, tokenauth.error_response(v) r;
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_unsafe, requires = ["types"])]
fn error_response(call: Call, v: VerificationArgument) -> Result<Jsonb, ErrorReport> {
    Caller::enter(call)?;
    let fields = v.fields();
    let verdict: Verdict = fields
        .bytes(field::VERDICT)
        .and_then(|verdict| str::from_utf8(verdict).ok()?.parse().ok())
        .ok_or(ArgumentError::NoSuchVerdict)?;
    // One that was made by hand may hold anything: what is longer than ours ever are is left out.
    let correlation_id = fields.bytes(field::CORRELATION_ID).filter(|id| id.len() <= MOST_CORRELATION);
    let correlation_id = correlation_id.map(encoding::to_utf8_lossy).unwrap_or_default();
    let detail = fields.optional::<Jsonb>(field::DETAIL).filter(|detail| detail.len() <= MOST_DETAIL);
    let kind = fields.bytes(field::KIND);
    let response = respond(verdict, kind, detail.as_ref(), &correlation_id, |response| response.to_value());
    Ok(Jsonb::of(&response))
}

/// Makes the response to a refusal, from the kind of the token if there is one, and the verification's detail.
pub fn respond<T>(
    verdict: Verdict,
    kind: Option<&[u8]>,
    detail: Option<&Jsonb>,
    correlation_id: &str,
    write: impl FnOnce(Response<'_>) -> T,
) -> T {
    let style = kind
        .and_then(|name| catalog::kind::find(name, &LatestSnapshot::take()))
        .map_or_else(settings::default_error_style, |kind| kind.error_style);
    let detail = detail.map(Jsonb::value).unwrap_or_default();
    let missing = detail["missing"]
        .as_array()
        .map(|scopes| Scopes::parse(scopes.iter().filter_map(|scope| scope.as_str()).map(str::as_bytes)));
    write(Response {
        verdict,
        style,
        correlation_id,
        state_reason: detail["state_reason"].as_str(),
        missing: &missing.and_then(Result::ok).unwrap_or_else(Scopes::nothing),
        retry_after: detail["retry_after"].as_u64(),
    })
}
