//! `list`: the tokens an actor may see.

use pgrx::prelude::*;

use crate::actor::Actor;
use crate::argument;
use crate::catalog::token;
use crate::error::ErrorReport;
use crate::pg::composite::TokensRows;
use crate::pg::statement::Argument;
use crate::pg::text::Text;

/// Rows of `tokenauth.tokens` that the actor may see, newest first. `'*'` is any owner, any kind.
///
/// # Errors
/// `22004` for a NULL argument.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer, requires = ["views"])]
#[search_path(pg_catalog, pg_temp)]
fn list(
    actor: default!(Option<Text>, "'session'"),
    owner: default!(Option<Text>, "'*'"),
    kind: default!(Option<Text>, "'*'"),
) -> Result<TokensRows, ErrorReport> {
    let Actor::Trusted = Actor::resolve(actor)?;
    let any = |text: Text| Some(text).filter(|text| text.as_bytes() != b"*");
    let owner = any(argument::given("owner", owner)?);
    let kind = any(argument::given("kind", kind)?);
    Ok(TokensRows {
        statement: &token::LISTED,
        arguments: vec![Argument::of(owner), Argument::of(kind)],
    })
}
