//! `list`: shows the tokens that an actor may see.

use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::access::authority::Reach;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::sql::statement::{Argument, fields};
use crate::pg::types::composite::TokensRows;
use crate::pg::types::text::Text;

/// Returns the rows of `tokenauth.tokens` that the actor may see, newest first. `'*'` means any owner or any kind.
///
/// # Errors
/// `22004` for a NULL argument, `42501` for an inactive actor, `42704` for an unknown one.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["views"])]
fn list(
    call: Call,
    actor: default!(Option<Text>, "'session'"),
    owner: default!(Option<Text>, "'*'"),
    kind: default!(Option<Text>, "'*'"),
) -> Result<TokensRows, ErrorReport> {
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve_reader(caller, actor)?;
    let owner_of_ours = caller.act_as_owner();
    let any = |text: Text| Some(text).filter(|text| text.as_bytes() != b"*");
    let owner = any(arguments::given("owner", owner)?);
    let kind = any(arguments::given("kind", kind)?);
    Ok(match actor.name() {
        None => TokensRows::new(&token::LISTED, fields![owner, kind], owner_of_ours),
        Some(name) => {
            let mut arguments: Vec<Argument> = fields![owner, kind, name.text()].into();
            arguments.extend(Reach::to_see(&actor, name)?.arguments());
            TokensRows::new(&token::LISTED_FOR, arguments, owner_of_ours)
        }
    })
}
