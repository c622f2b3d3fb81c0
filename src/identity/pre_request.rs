//! `pre_request`: what PostgREST calls at the beginning of each request, as its `db-pre-request`.

use pgrx::prelude::*;

use super::state::{Attempt, Identity};
use crate::correlation;
use crate::error::ErrorReport;
use crate::pg::encoding;
use crate::pg::raise::{Raise, Raised};
use crate::request;
use crate::settings;
use crate::verify::{Claim, Outcome, Question, Refused};

/// Authenticates the transaction by the token in the headers of the request that PostgREST is serving, or raises the HTTP
/// response.
///
/// The headers are in PostgREST's setting `request.headers`; the token in `Authorization: Bearer …` or `X-API-Key`, or in
/// the header that `tokenauth.request_header` names. The address of the client is not known, so a token that is bound to
/// networks is refused.
///
/// # Errors
/// `PGRST` with what `error_response` answers, for PostgREST to pass on; `25001` when the transaction has another identity
/// or was closed for identities; those of `verify`.
#[pg_extern(
    schema = "tokenauth",
    sql = "
CREATE FUNCTION tokenauth.pre_request() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pre_request_raising';
"
)]
fn pre_request() -> Result<Raise, ErrorReport> {
    let attempt = Attempt::begin()?;
    let question = Question::bare().for_an_identity();
    let headers = settings::request_headers();
    let header = settings::request_header();
    match Claim::of_headers(&headers, header.as_deref(), |claim| question.ask(claim))? {
        Outcome::Accepted(identity, _) => {
            attempt.succeed(Identity::clone(&identity))?;
            Ok(Raise::nothing())
        }
        Outcome::Refused(refused) => raise(&refused),
    }
}

fn raise(refused: &Refused) -> Result<Raise, ErrorReport> {
    /// By which PostgREST knows that it is told the whole response.
    const POSTGREST: [u8; 5] = *b"PGRST";
    let correlation_id = correlation::new()?;
    let (body, head) = request::respond(
        refused.verdict,
        refused.kind().map(|kind| kind.as_bytes()),
        refused.detail(),
        &String::from_utf8_lossy(&correlation_id),
        |response| response.for_postgrest(),
    );
    let [message, detail] = [body, head].map(|json| encoding::from_utf8(&json.to_string()));
    Ok(Raise::error(Raised { sqlstate: POSTGREST, message, detail }))
}
