//! `list`: shows the tokens that an actor may see, a page at a time.

use pgrx::Uuid;
use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::access::authority::Reach;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token::page::{KindsOfOwners, Listed, Page};
use crate::error::{ArgumentError, ErrorReport};
use crate::model::token_state::Status;
use crate::pg::function::call::Call;
use crate::pg::types::composite::TokensRows;
use crate::pg::types::text::Text;

/// The most rows of a page.
const MOST_ROWS: i32 = 1000;

/// Returns the rows of `tokenauth.tokens` that the actor may see, newest first, a page at a time.
///
/// Newest first is by id. For the next page, `after` is the id of the last row of this one; that token need not exist
/// any more. Name the arguments, since `actor` comes first.
///
/// # Arguments
/// - `owner`: whose tokens; `'*'`: anybody's
/// - `kind`: of which kind; `'*'`: of any
/// - `status`: in which status; `'*'`: in any
/// - `page_size`: the most rows, from 1 to 1,000; NULL: all
/// - `after`: where to go on; NULL: at the newest
///
/// # Errors
/// `22004` for a NULL actor, owner, kind or status, `22023` for an unknown status or a size other than 1 to 1000,
/// `42501` for an inactive actor, `42704` for an unknown actor.
///
/// # Access
/// `self`, and `observe` for reading
///
/// # Example
/// ```sql
/// SELECT id FROM tokenauth.issue('api', 'user:42', 'CI') \g /dev/null
/// SELECT name, status, scopes FROM tokenauth.list(owner => 'user:42', page_size => 1);
/// SELECT id AS last FROM tokenauth.list(owner => 'user:42', page_size => 1) \gset
/// SELECT name, status, scopes
///   FROM tokenauth.list(owner => 'user:42', page_size => 1, after => :'last');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["views"])]
fn list(
    call: Call,
    actor: default!(Option<Text>, "'session'"),
    owner: default!(Option<Text>, "'*'"),
    kind: default!(Option<Text>, "'*'"),
    status: default!(Option<Text>, "'*'"),
    page_size: default!(Option<i32>, "NULL"),
    after: default!(Option<Uuid>, "NULL"),
) -> Result<TokensRows, ErrorReport> {
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve_reader(caller, actor)?;
    let owner_of_ours = caller.act_as_owner();
    let owner = selected("owner", owner)?;
    let kind = selected("kind", kind)?;
    let page = Page { status: known(selected("status", status)?)?, after, size: sized(page_size)? };
    let listed = match (actor.name(), owner, kind) {
        (Some(name), owner, kind) => Reach::to_see(&actor, name)?.listed(name, owner, kind.as_ref()),
        (None, None, kind) => Listed::Everybody { kinds: kind.map(|kind| vec![kind]), also: KindsOfOwners::default() },
        (None, Some(owner), kind) => Listed::Owner { owner, kinds: kind.map(|kind| vec![kind]) },
    };
    let (statement, arguments) = page.of(listed);
    Ok(TokensRows::new(statement, arguments, owner_of_ours))
}

/// A selector; `None` for any.
///
/// # Errors
/// 22004 for NULL.
fn selected(what: &'static str, text: Option<Text>) -> Result<Option<Text>, ArgumentError> {
    Ok(Some(arguments::given(what, text)?).filter(|text| text.as_bytes() != b"*"))
}

/// A status that tokens can have.
///
/// # Errors
/// 22023 for any other.
fn known(status: Option<Text>) -> Result<Option<Text>, ArgumentError> {
    let is_known = |text: &Text| Status::ALL.iter().any(|status| status.as_str().as_bytes() == text.as_bytes());
    if status.as_ref().is_none_or(is_known) { Ok(status) } else { Err(ArgumentError::NoSuchStatus) }
}

/// The size of a page.
///
/// # Errors
/// 22023 when a page cannot be that long or short.
fn sized(page_size: Option<i32>) -> Result<Option<i64>, ArgumentError> {
    match page_size {
        Some(size) if !(1..=MOST_ROWS).contains(&size) => Err(ArgumentError::PageSize { most: MOST_ROWS }),
        size => Ok(size.map(i64::from)),
    }
}
