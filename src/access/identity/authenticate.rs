//! `authenticate`, `sign_in` and `sign_out`: how a transaction gets its identity and loses it.

use pgrx::prelude::*;

use super::state::{self, Attempt, Identity};
use crate::arguments::caller::Caller;
use crate::catalog::event::correlation;
use crate::error::{Error, ErrorReport, IdentityError};
use crate::model::verdict::Verdict;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::composite::Verification;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::{PresentedText, Text};
use crate::verify::{Claim, Outcome, Question, Request};

/// Authenticates the transaction by a token and returns the owner; raises when the token is refused.
///
/// The identity ends with the transaction, or when a savepoint set before it is rolled back.
///
/// # Arguments
/// - `token`: the text that was presented
///
/// # Errors
/// As `verify`; also `28000` for a token that is not accepted, whatever the reason; `42501` when it does not grant
/// what is required, and in a security-restricted operation, such as an index expression under ANALYZE; `25001` when
/// the transaction has another identity or was closed for identities.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT tokenauth.authenticate(:'token', require => '{devices:read}');
/// SELECT tokenauth.current_owner(), tokenauth.has_scope('devices:read');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn authenticate(
    call: Call,
    token: Option<PresentedText>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Text, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?.for_an_identity();
    Ok(owner(attempt, question.ask(Claim::of_argument(token.as_ref()))?)?)
}

/// Authenticates the transaction as `authenticate` does, given the SHA-256 of the token.
///
/// # Errors
/// As `authenticate` and `verify_digest`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT left(:'token', length('acme_') + 11) AS lookup,
///        sha256(convert_to(:'token', 'UTF8')) AS digest \gset
/// SELECT tokenauth.authenticate_digest(:'lookup', :'digest');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn authenticate_digest(
    call: Call,
    lookup: Option<Text>,
    digest: Option<&[u8]>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Text, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?.for_an_identity();
    Ok(owner(attempt, question.ask(Claim::of_digest(lookup.as_ref().map(Text::as_bytes), digest)?)?)?)
}

/// Authenticates the transaction as `authenticate` does, by the token in the headers of an HTTP request.
///
/// # Errors
/// As `authenticate`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT tokenauth.authenticate_request('{"X-API-Key": "nonsense"}');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn authenticate_request(
    call: Call,
    headers: Option<Jsonb>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
    header: default!(Option<Text>, "NULL"),
) -> Result<Text, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?.for_an_identity();
    let outcome = question.ask_of(&Request::of_arguments(headers.as_ref(), header.as_ref()))?;
    Ok(owner(attempt, outcome)?)
}

/// Verifies a token; a valid one authenticates the transaction.
///
/// Any other ends its identity. For callers that answer with `error_response` and let policies deny the rest.
///
/// # Arguments
/// - `token`: the text that was presented
///
/// # Errors
/// As `verify`; also `25001` and `42501` as `authenticate`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT verdict, tokenauth.current_owner() FROM tokenauth.sign_in(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn sign_in(
    call: Call,
    token: Option<PresentedText>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?;
    Ok(answer(attempt, question.ask(Claim::of_argument(token.as_ref()))?)?)
}

/// Verifies a token as `sign_in` does, given its SHA-256.
///
/// # Errors
/// As `sign_in` and `verify_digest`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT left(:'token', length('acme_') + 11) AS lookup,
///        sha256(convert_to(:'token', 'UTF8')) AS digest \gset
/// SELECT verdict, owner FROM tokenauth.sign_in_digest(:'lookup', :'digest');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn sign_in_digest(
    call: Call,
    lookup: Option<Text>,
    digest: Option<&[u8]>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?;
    Ok(answer(attempt, question.ask(Claim::of_digest(lookup.as_ref().map(Text::as_bytes), digest)?)?)?)
}

/// Verifies as `sign_in` does, for the token in the headers of an HTTP request.
///
/// # Errors
/// As `sign_in`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT v.verdict, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) -> 'status' END AS status
///   FROM tokenauth.sign_in_request('{"X-API-Key": "nonsense"}') v;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn sign_in_request(
    call: Call,
    headers: Option<Jsonb>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
    header: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?;
    let outcome = question.ask_of(&Request::of_arguments(headers.as_ref(), header.as_ref()))?;
    Ok(answer(attempt, outcome)?)
}

/// Ends the identity of the transaction, which cannot get another one.
///
/// # Errors
/// `25000` in a parallel worker, `42501` in a security-restricted operation.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT tokenauth.authenticate(:'token');
/// SELECT tokenauth.sign_out();
/// SELECT tokenauth.authenticate(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn sign_out(call: Call) -> Result<(), ErrorReport> {
    Caller::enter(call)?;
    Ok(state::close()?)
}

fn owner(attempt: Attempt, outcome: Outcome) -> Result<Text, Error> {
    match outcome {
        Outcome::Accepted(identity, _) => {
            let owner = identity.owner();
            attempt.succeed(identity)?;
            correlation::next()?;
            Ok(owner)
        }
        Outcome::Refused(refused) if refused.verdict == Verdict::InsufficientScope => {
            Err(IdentityError::ScopeNotGranted.into())
        }
        // One message for every reason: the caller may be guessing.
        Outcome::Refused(_) => Err(IdentityError::NotAccepted.into()),
    }
}

fn answer(attempt: Attempt, outcome: Outcome) -> Result<Verification, Error> {
    if let Outcome::Accepted(accepted, _) = &outcome {
        attempt.succeed(Identity::clone(accepted))?;
    }
    outcome.answer()
}
