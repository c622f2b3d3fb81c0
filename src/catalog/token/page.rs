//! Tokens in the order of a list, newest first, which is by id: from the last of the page before.
//!
//! A page costs what it reads: its rows, and those that the filters pass over. Whose tokens an actor may see is worked
//! out before, so that one index is walked in the order of the answer, to the end of the page. Of owners with few
//! tokens no index has that order: theirs are read at once, and put in their places.

use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;

use pgrx::Uuid;

use super::{BY_CROWDED_OWNER, BY_ID, BY_OWNER, column};
use crate::pg::scan::index_key::{IndexKey, Is};
use crate::pg::scan::index_walk::{Direction, OpenIndex, Walk};
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::row::Row;
use crate::pg::types::scratch::Scratch;
use crate::pg::types::text::Text;

/// Whose tokens are listed, and of which kinds.
pub enum Listed {
    /// Everybody's of these kinds, and those of some owners of others.
    Everybody { kinds: Kinds, also: BTreeMap<Text, Kinds> },
    /// Those of each of these owners.
    Owners(BTreeMap<Text, Kinds>),
}

/// Which kinds.
pub enum Kinds {
    Any,
    These(Vec<Text>),
}

/// The indexes by which tokens are reached, open for reading.
pub struct Paths {
    /// All tokens, by id.
    by_id: OpenIndex,
    /// Those of an owner, if only those of some are listed and these indexes are there; otherwise all are passed over.
    by_owner: Option<ByOwner>,
}

/// The tokens of an owner.
struct ByOwner {
    /// Those that were issued while it had few.
    few: OpenIndex,
    /// The others, in order.
    crowded: OpenIndex,
}

/// A token that was come to: the columns that tell whose it is and how it is, and the rest of its row.
pub struct Place<'a> {
    pub start: &'a Row,
    whole: &'a dyn Fn() -> Row,
}

/// Until where rows are taken apart: what tells whose a token is, and its state.
const START: usize = {
    let columns = [column::ID, column::KIND, column::OWNER, column::NOT_BEFORE, column::EXPIRES_AT, column::DELETED_AT];
    let (mut most, mut at) = (0, 0);
    while at < columns.len() {
        most = if columns[at] > most { columns[at] } else { most };
        at += 1;
    }
    most
};

impl Kinds {
    /// This one, or any if `None`.
    pub fn of(kind: Option<Text>) -> Self {
        kind.map_or(Kinds::Any, |kind| Kinds::These(vec![kind]))
    }

    fn has(&self, kind: &[u8]) -> bool {
        match self {
            Kinds::Any => true,
            Kinds::These(kinds) => kinds.iter().any(|one| one.as_bytes() == kind),
        }
    }
}

impl Place<'_> {
    /// Its whole row.
    pub fn whole(&self) -> Row {
        (self.whole)()
    }
}

impl Listed {
    /// Opens the indexes by which they are reached.
    pub fn open(&self) -> Paths {
        // In the order in which REINDEX TABLE locks them.
        let by_owner = || {
            let few = BY_OWNER.open_to_walk_if_possible()?;
            Some(ByOwner { few, crowded: BY_CROWDED_OWNER.open_to_walk_if_possible()? })
        };
        let is_of_some = matches!(self, Listed::Owners(_));
        Paths { by_id: BY_ID.index().open_to_walk(), by_owner: is_of_some.then(by_owner).flatten() }
    }

    /// Whether a token of this kind is listed, and of this owner.
    fn has(&self, kind: &[u8], owner: &[u8]) -> bool {
        let is_of = |owners: &BTreeMap<Text, Kinds>| owners.get(owner).is_some_and(|kinds| kinds.has(kind));
        match self {
            Listed::Everybody { kinds, also } => kinds.has(kind) || is_of(also),
            Listed::Owners(owners) => is_of(owners),
        }
    }

    /// Passes on the tokens that were not deleted, of ids before `after`, until `take` breaks off. `paths` are those
    /// that [`open`](Self::open) has opened.
    pub fn each(
        &self,
        after: Option<Uuid>,
        paths: &Paths,
        snapshot: &LatestSnapshot,
        mut take: impl FnMut(&Place<'_>) -> ControlFlow<()>,
    ) {
        let mut take = |start: &Row, whole: &dyn Fn() -> Row| {
            if start.is_null(column::DELETED_AT) { take(&Place { start, whole }) } else { ControlFlow::Continue(()) }
        };
        if let (Listed::Owners(owners), Some(ByOwner { few, crowded })) = (self, &paths.by_owner) {
            let mut merged = Merged::new(owners, after, crowded.walk(snapshot), paths.by_id.walk(snapshot));
            merged.add_few(after, few.walk(snapshot));
            merged.each(take);
            return;
        }
        let mut walk = paths.by_id.walk(snapshot);
        walk.seek([Bound::before(after).condition(1)]);
        let scratch = Scratch::enter();
        while let Some(start) = next(&mut walk, &scratch) {
            let bytes = |column| start.bytes(column).unwrap_or_default();
            if self.has(bytes(column::KIND), bytes(column::OWNER)) && take(&start, &|| walk.whole()).is_break() {
                return;
            }
        }
    }
}

/// The next token of a walk that was begun before the scratch memory: what was made of the one before is given back.
fn next<const N: usize>(walk: &mut Walk<'_, N>, scratch: &Scratch) -> Option<Row> {
    pgrx::check_for_interrupts!();
    scratch.clear();
    walk.next(Direction::Down, START)
}

/// Where the next token of an owner is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    id: [u8; 16],
    /// Whether there is a token of this id, the next of its owner; otherwise the next has an id before it.
    is_reached: bool,
}

impl Bound {
    fn before(id: Option<Uuid>) -> Self {
        let (id, is_reached) = id.map_or(([u8::MAX; 16], true), |id| (*id.as_bytes(), false));
        Bound { id, is_reached }
    }

    fn condition(&self, column: i16) -> (i16, Is, IndexKey<'static>) {
        (column, if self.is_reached { Is::AtMost } else { Is::Less }, IndexKey::Uuid(Uuid::from_bytes(self.id)))
    }
}

/// The tokens of several owners, merged. However many owners there are, one walk reads all: of each, only where its
/// next token is is kept in mind, and where the few are that are in no order.
struct Merged<'a> {
    owners: Vec<(&'a Text, &'a Kinds)>,
    /// With the place of the owner; without, it is that of one of the few.
    next: BinaryHeap<(Bound, Option<usize>)>,
    walk: Walk<'a, 2>,
    by_id: Walk<'a, 1>,
}

impl<'a> Merged<'a> {
    fn new(owners: &'a BTreeMap<Text, Kinds>, after: Option<Uuid>, walk: Walk<'a, 2>, by_id: Walk<'a, 1>) -> Self {
        let next = (0..owners.len()).map(|owner| (Bound::before(after), Some(owner))).collect();
        Merged { owners: owners.iter().collect(), next, walk, by_id }
    }

    /// Adds the tokens of these owners that were issued while they had few.
    fn add_few(&mut self, after: Option<Uuid>, mut few: Walk<'_, 2>) {
        let scratch = Scratch::enter();
        for (owner, kinds) in &self.owners {
            few.seek([(1, Is::Equal, IndexKey::Text(owner.as_bytes())), (2, Is::Equal, IndexKey::Boolean(false))]);
            while let Some(start) = next(&mut few, &scratch) {
                let id = *start.required::<Uuid>(column::ID).as_bytes();
                if after.is_none_or(|after| id < *after.as_bytes())
                    && start.is_null(column::DELETED_AT)
                    && kinds.has(start.bytes(column::KIND).unwrap_or_default())
                {
                    self.next.push((Bound { id, is_reached: true }, None));
                }
            }
        }
    }

    fn each(mut self, mut take: impl FnMut(&Row, &dyn Fn() -> Row) -> ControlFlow<()>) {
        let scratch = Scratch::enter();
        while let Some((bound, place)) = self.next.pop() {
            let Some(owner) = place else {
                self.by_id.seek([bound.condition(1)]);
                if let Some(start) = next(&mut self.by_id, &scratch)
                    && take(&start, &|| self.by_id.whole()).is_break()
                {
                    return;
                }
                continue;
            };
            let (name, kinds) = self.owners[owner];
            self.walk.seek([(1, Is::Equal, IndexKey::Text(name.as_bytes())), bound.condition(2)]);
            while let Some(start) = next(&mut self.walk, &scratch) {
                let id: Uuid = start.required(column::ID);
                let here = (Bound { id: *id.as_bytes(), is_reached: true }, Some(owner));
                if self.next.peek().is_some_and(|other| here < *other) {
                    self.next.push(here);
                    break;
                }
                if kinds.has(start.bytes(column::KIND).unwrap_or_default())
                    && take(&start, &|| self.walk.whole()).is_break()
                {
                    return;
                }
            }
        }
    }
}
