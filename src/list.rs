//! `list`: the tokens an actor may see.

use pgrx::prelude::*;

use crate::actor::Actor;
use crate::argument;
use crate::authority::Authority;
use crate::catalog::principal::{Hold, lock_existing};
use crate::catalog::{kind, member, token};
use crate::error::{Error, ErrorReport};
use crate::pg::array::TextArray;
use crate::pg::composite::TokensRows;
use crate::pg::statement::{Argument, fields};
use crate::pg::text::Text;
use crate::principal::PrincipalName;

/// Rows of `tokenauth.tokens` that the actor may see, newest first. `'*'` is any owner, any kind.
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
    Ok(match actor {
        Actor::Trusted => TokensRows {
            statement: &token::LISTED,
            arguments: fields![owner, kind].into(),
        },
        Actor::Principal(name) => {
            let seen = Seen::by(&name)?;
            let mut arguments: Vec<Argument> = fields![owner, kind, name.text()].into();
            arguments.extend([seen.own, seen.organisations, seen.their_kinds, seen.everybodys].map(array));
            TokensRows {
                statement: &token::LISTED_FOR,
                arguments,
            }
        }
    })
}

fn array(texts: Vec<Text>) -> Argument {
    Argument::of(texts.into_iter().collect::<TextArray>())
}

/// What one principal may see.
#[derive(Default)]
struct Seen {
    /// Kinds of which it sees its own tokens.
    own: Vec<Text>,
    /// Organisations, each with the kind at the same place of `their_kinds`.
    organisations: Vec<Text>,
    /// See `organisations`.
    their_kinds: Vec<Text>,
    /// Kinds of which it sees everybody's tokens.
    everybodys: Vec<Text>,
}

impl Seen {
    fn by(name: &PrincipalName) -> Result<Self, Error> {
        let acting = lock_existing(name, Hold::Share)?;
        if !acting.active {
            return Err(Error::ActorInactive(name.shown()));
        }
        let memberships = member::organisations(name);
        let mut seen = Seen::default();
        for kind in kind::all() {
            let sees = |is_owner, membership: Option<_>| {
                Authority::weigh(&kind, is_owner, &acting, || membership)
                    .may_manage(&kind)
                    .is_ok()
            };
            if sees(true, None) {
                seen.own.push(kind.name.clone());
            }
            if sees(false, None) {
                seen.everybodys.push(kind.name.clone());
            }
            for (organisation, held) in &memberships {
                if sees(false, Some(held.clone())) {
                    seen.organisations.push(organisation.clone());
                    seen.their_kinds.push(kind.name.clone());
                }
            }
        }
        Ok(seen)
    }
}
