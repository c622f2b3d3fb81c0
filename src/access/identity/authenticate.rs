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
use crate::pg::types::text::{Presented, Text};
use crate::verify::{Claim, Outcome, Question, Request};

/// Authenticates the transaction by a token and returns the owner; raises when the token is refused.
///
/// `require` and `client` are as in `verify`. The identity ends with the transaction, or when a savepoint set before it
/// is rolled back.
///
/// # Errors
/// `28000` for a token that is not accepted, whatever the reason; `42501` when it does not grant what is required;
/// `25001` when the transaction has another identity or was closed for identities; `42501` in a security-restricted
/// operation, such as an index expression under ANALYZE; and the errors of `verify`.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn authenticate(
    call: Call,
    token: Option<Presented>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Text, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?.for_an_identity();
    Ok(owner(attempt, question.ask(Claim::of_text(token.as_ref().map(Presented::bytes)))?)?)
}

/// As `authenticate`, by the digest of a token; see `verify_digest`.
///
/// # Errors
/// As `authenticate` and `verify_digest`.
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

/// As `authenticate`, by the headers of an HTTP request; see `verify_request`.
///
/// # Errors
/// As `authenticate`.
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

/// Verifies a token as `verify` does; a valid token authenticates the transaction, any other ends its identity.
///
/// For callers that answer with `error_response` and let policies deny the rest.
///
/// # Errors
/// `25001` and `42501` as `authenticate`; and the errors of `verify`.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn sign_in(
    call: Call,
    token: Option<Presented>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let attempt = Attempt::begin()?;
    let question = Question::new(require, client)?;
    Ok(answer(attempt, question.ask(Claim::of_text(token.as_ref().map(Presented::bytes)))?)?)
}

/// As `sign_in`, by the digest of a token; see `verify_digest`.
///
/// # Errors
/// As `sign_in` and `verify_digest`.
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

/// As `sign_in`, by the headers of an HTTP request; see `verify_request`.
///
/// # Errors
/// As `sign_in`.
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
