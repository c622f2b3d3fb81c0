//! `list`: shows the tokens that an actor may see.

use pgrx::prelude::*;

use crate::actor::Actor;
use crate::argument;
use crate::authority::Reach;
use crate::catalog::token;
use crate::error::ErrorReport;
use crate::pg::composite::TokensRows;
use crate::pg::statement::{Argument, fields};
use crate::pg::text::Text;

/// Returns the rows of `tokenauth.tokens` that the actor may see, newest first. `'*'` means any owner or any kind.
///
/// # Errors
/// `22004` for a NULL argument, `42501` for an inactive actor, `42704` for an unknown one.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer, requires = ["views"])]
#[search_path(pg_catalog, pg_temp)]
fn list(
    actor: default!(Option<Text>, "'session'"),
    owner: default!(Option<Text>, "'*'"),
    kind: default!(Option<Text>, "'*'"),
) -> Result<TokensRows, ErrorReport> {
    let actor = Actor::resolve(actor)?;
    let any = |text: Text| Some(text).filter(|text| text.as_bytes() != b"*");
    let owner = any(argument::given("owner", owner)?);
    let kind = any(argument::given("kind", kind)?);
    Ok(match actor.name() {
        None => TokensRows { statement: &token::LISTED, arguments: fields![owner, kind].into() },
        Some(name) => {
            let mut arguments: Vec<Argument> = fields![owner, kind, name.text()].into();
            arguments.extend(Reach::to_see(&actor, name)?.arguments());
            TokensRows { statement: &token::LISTED_FOR, arguments }
        }
    })
}
