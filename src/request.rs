//! Where HTTP meets the verdict: headers in, status, headers and body out.

mod headers;
mod response;

use pgrx::prelude::*;

pub use headers::Credential;
pub use response::ErrorStyle;

use crate::catalog;
use crate::error::{Error, ErrorReport};
use crate::pg::composite::VerificationArgument;
use crate::pg::encoding;
use crate::pg::jsonb::Jsonb;
use crate::pg::snapshot::Latest;
use crate::scope::Scopes;
use crate::settings;
use crate::verdict::Verdict;
use response::Response;

/// Fields of `tokenauth.verification`.
mod field {
    pub const VERDICT: usize = 1;
    pub const KIND: usize = 5;
    pub const DETAIL: usize = 14;
    pub const CORRELATION_ID: usize = 15;
}

/// What to answer over HTTP: `{"status": …, "headers": {…}, "body": …}`, the body in the style of the token's kind. It
/// tells a stranger nothing that the verdict knows and he must not.
///
/// # Errors
/// `22023` for a verification that was made by hand and has no such verdict.
#[pg_extern(schema = "tokenauth", stable, parallel_unsafe, requires = ["types"])]
fn error_response(v: VerificationArgument) -> Result<Jsonb, ErrorReport> {
    let fields = v.fields();
    let verdict: Verdict = fields
        .bytes(field::VERDICT)
        .and_then(|verdict| str::from_utf8(verdict).ok()?.parse().ok())
        .ok_or(Error::NoSuchVerdict)?;
    let correlation_id = fields.bytes(field::CORRELATION_ID).map(encoding::to_utf8).unwrap_or_default();
    let detail = fields.optional::<Jsonb>(field::DETAIL);
    let kind = fields.bytes(field::KIND);
    let response = respond(verdict, kind, detail.as_ref(), &correlation_id, |response| response.to_value());
    Ok(Jsonb::of(&response))
}

/// Tells what to answer to a refusal, of a token of this kind if there is one, with what else is known of the reason.
pub fn respond<T>(
    verdict: Verdict,
    kind: Option<&[u8]>,
    detail: Option<&Jsonb>,
    correlation_id: &str,
    tell: impl FnOnce(Response<'_>) -> T,
) -> T {
    let style = kind
        .and_then(|name| catalog::kind::find(name, &Latest::take()))
        .map_or_else(settings::default_error_style, |kind| kind.error_style);
    let detail = detail.map(Jsonb::value).unwrap_or_default();
    let missing = detail["missing"]
        .as_array()
        .map(|scopes| Scopes::parse(scopes.iter().filter_map(|scope| scope.as_str()).map(str::as_bytes)));
    tell(Response {
        verdict,
        style,
        correlation_id,
        state_reason: detail["state_reason"].as_str(),
        missing: &missing.and_then(Result::ok).unwrap_or_else(Scopes::nothing),
        retry_after: detail["retry_after"].as_u64(),
    })
}
