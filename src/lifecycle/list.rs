//! `list`: shows the tokens that an actor may see, a page at a time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use pgrx::Uuid;
use pgrx::prelude::*;

use super::shown::{Shown, Sources};
use crate::access::actor::Actor;
use crate::access::authority::Reach;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token::page::{Kinds, Listed};
use crate::error::{ArgumentError, ErrorReport};
use crate::model::token_state::Status;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::composite::{RowStore, TokensRows};
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
    let owner = selected("owner", owner)?;
    let kind = selected("kind", kind)?;
    let page = Page { status: known(selected("status", status)?)?, after, size: sized(page_size)? };
    let listed = match (actor.name(), owner, kind) {
        (Some(name), owner, kind) => Reach::to_see(&actor, name)?.listed(name, owner, kind.as_ref()),
        (None, None, kind) => Listed::Everybody { kinds: Kinds::of(kind), also: BTreeMap::new() },
        (None, Some(owner), kind) => Listed::Owners(BTreeMap::from([(owner, Kinds::of(kind))])),
    };
    Ok(TokensRows::put_by(move |rows| page.show(&listed, rows)))
}

/// Which of the listed tokens, and how many.
struct Page {
    /// Their status, if it matters.
    status: Option<Status>,
    /// The id of the last row of the page before.
    after: Option<Uuid>,
    /// The most rows.
    size: usize,
}

impl Page {
    fn show(&self, listed: &Listed, rows: &mut RowStore) {
        let (tokens, sources) = (listed.open(), Sources::open(self.status));
        let snapshot = LatestSnapshot::of_now();
        let mut shown = Shown::new(&sources, &snapshot);
        let mut left = self.size;
        listed.each(self.after, &tokens, &snapshot, |place| {
            let state = shown.state(place.start);
            if self.status.is_none_or(|status| shown.may_be(status, &state, place.start))
                && let Some(standing) = shown.standing(&state, place.start)
                && self.status.is_none_or(|status| status == standing.status)
            {
                rows.put(&shown.fields(&place.whole(), &standing));
                left -= 1;
            }
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
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
fn known(status: Option<Text>) -> Result<Option<Status>, ArgumentError> {
    status.map(|status| Status::parse(status.as_bytes()).ok_or(ArgumentError::NoSuchStatus)).transpose()
}

/// The most rows of a page.
///
/// # Errors
/// 22023 when a page cannot be that long or short.
fn sized(page_size: Option<i32>) -> Result<usize, ArgumentError> {
    match page_size {
        None => Ok(usize::MAX),
        Some(size) if (1..=MOST_ROWS).contains(&size) => Ok(size as usize),
        Some(_) => Err(ArgumentError::PageSize { most: MOST_ROWS }),
    }
}
