//! `pre_request`: the function for PostgREST's `db-pre-request`, called at the start of each request.

use pgrx::prelude::*;

use super::state::{Attempt, Identity};
use crate::access::Caller;
use crate::correlation;
use crate::error::ErrorReport;
use crate::pg::call::Call;
use crate::pg::encoding;
use crate::pg::raise::{Raise, Raised};
use crate::request;
use crate::settings;
use crate::verify::{Claim, Outcome, Question, Refused};

/// Authenticates the transaction by the token in the headers of the current PostgREST request, or raises the HTTP
/// response.
///
/// PostgREST passes the headers in its setting `request.headers`. The token is in `Authorization: Bearer …` or
/// `X-API-Key`, or in the header that `tokenauth.request_header` names. The address of the client is not known, so a
/// token that is bound to networks is refused.
///
/// # Errors
/// `PGRST` with the response of `error_response`, for PostgREST to pass on; `25001` when the transaction has another
/// identity or was closed for identities; `42501` in a security-restricted operation; and the errors of `verify`.
#[pg_extern(
    schema = "tokenauth",
    sql = "
CREATE FUNCTION tokenauth.pre_request() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pre_request_raising';
"
)]
fn pre_request(call: Call) -> Result<Raise, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::bare().for_an_identity();
    let headers = settings::request_headers();
    let header = settings::request_header();
    match Claim::of_headers(headers.as_ref(), header.as_deref(), |claim| question.ask(claim))? {
        Outcome::Accepted(identity, _) => {
            attempt.succeed(Identity::clone(&identity))?;
            correlation::next()?;
            Ok(Raise::nothing())
        }
        Outcome::Refused(refused) => raise(&refused),
    }
}

fn raise(refused: &Refused) -> Result<Raise, ErrorReport> {
    /// The SQLSTATE by which PostgREST recognises a whole response.
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
