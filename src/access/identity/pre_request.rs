//! `pre_request`: the function for PostgREST's `db-pre-request`, called at the start of each request.

use pgrx::prelude::*;

use super::state::{Attempt, Identity};
use crate::arguments::caller::Caller;
use crate::catalog::event::correlation;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::report::raise::{Raise, Raised};
use crate::pg::types::encoding;
use crate::settings;
use crate::verify::http;
use crate::verify::{Outcome, Question, Refused, Request};

/// Authenticates the transaction by the headers of PostgREST's request, as its db-pre-request, or raises the response.
///
/// PostgREST passes the headers in its setting `request.headers`. The token is found as in `verify_request`; the
/// setting `tokenauth.request_header` names the only header to read, `tokenauth.client_header` the one with the
/// client's address. A request without any token is refused unless `tokenauth.allow_anonymous` is on: then nobody is
/// authenticated.
///
/// # Errors
/// As `verify`; also `PGRST` with the response of `error_response`, for PostgREST to pass on; `25001` when the
/// transaction has another identity or was closed for identities; `42501` in a security-restricted operation.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SET LOCAL request.headers = '{"x-api-key": "nonsense"}';
/// \set VERBOSITY sqlstate
/// SELECT tokenauth.pre_request();
/// \set VERBOSITY default
/// ```
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
    let request = Request::read(&settings::request_headers(), settings::request_header().as_deref());
    if settings::allow_anonymous() && request.is_anonymous()? {
        attempt.withdraw()?;
        return Ok(Raise::nothing());
    }
    match question.ask_of(&request)? {
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
    let (body, head) = http::respond(
        refused.verdict,
        refused.kind().map(|kind| kind.as_bytes()),
        refused.detail(),
        &String::from_utf8_lossy(&correlation_id),
        |response| response.for_postgrest(),
    );
    let [message, detail] = [body, head].map(|json| encoding::from_utf8(&json.to_string()));
    Ok(Raise::error(Raised { sqlstate: POSTGREST, message, detail }))
}
