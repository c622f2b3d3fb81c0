//! Rows of `tokenauth.principal`.

mod epochs;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::lock_moment::{LockMoment, WhileLocked};
use super::scope_interner;
use crate::catalog::kind::stored_scopes;
use crate::error::PrincipalError;
use crate::model::data_scope::DataScopes;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scopes;
use crate::model::token_state::OwnerState;
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::index_key::{IndexKey, Is};
use crate::pg::scan::index_scan::{Index, UniqueIndex};
use crate::pg::scan::index_walk::{Direction, OpenIndex, Walk};
use crate::pg::scan::kept;
use crate::pg::scan::row_key::RowKey;
use crate::pg::scan::row_lock::Strength;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
pub(crate) use epochs::past_of;
pub use epochs::{Covers, Epochs, begin_anew, begin_epoch, begin_epoch_by_hand, remember_all_removed, remember_past};

/// The table by its primary key.
pub static BY_NAME: UniqueIndex = UniqueIndex::new(c"principal", c"principal_pkey", 1);
/// Those that [may stop](OwnerState::may_stop) tokens of theirs, by name.
static STOPPING: Index = Index::new(c"principal", c"principal_stopping_idx");

/// The row with this name, as messages name it.
pub fn row_key(name: &[u8]) -> RowKey {
    RowKey::new("principal", name)
}

/// Columns, in the order of the table.
pub mod column {
    pub const PRINCIPAL: usize = 1;
    pub const ACTIVE: usize = 2;
    pub const EPOCH: usize = 3;
    pub const ALL_DEAD_BEFORE: usize = 4;
    pub const REVOCABLE_DEAD_BEFORE: usize = 5;
    pub const PERMISSIONS: usize = 6;
    pub const DATA_SCOPES: usize = 7;
    pub const STATE_REASON: usize = 8;
    pub const DISPLAY_NAME: usize = 9;
    pub const CREATED_AT: usize = 10;
    pub const DROPPED_AT: usize = 11;
}

/// A principal, or the tombstone of one.
#[derive(Clone)]
pub struct Principal {
    /// What it says about the life of its tokens.
    pub state: OwnerState,
    /// How many mass deaths its tokens have been through.
    pub epoch: i32,
    /// The permissions that it holds.
    pub permissions: Rc<Scopes>,
    /// Why it is inactive.
    pub state_reason: Option<Text>,
    /// The data it may reach.
    pub data_scopes: DataScopes,
}

impl Principal {
    /// The approximate number of bytes beyond its own fields, without permissions that others share.
    pub fn size(&self) -> usize {
        let reason = self.state_reason.as_ref().map_or(0, |reason| reason.as_bytes().len());
        reason + self.data_scopes.size() + scope_interner::own_size(&self.permissions)
    }
}

/// The principal of this name, as the snapshot shows it.
pub fn find(name: &[u8], snapshot: &LatestSnapshot) -> Option<Principal> {
    BY_NAME.find_often(IndexKey::Text(name), snapshot, read)
}

/// What a principal's row says about the life of its tokens, and how many mass deaths these have been through.
#[derive(Clone, Copy)]
pub struct Life {
    pub state: OwnerState,
    pub epoch: i32,
}

/// The indexes by which lives of principals are read, open for reading.
pub struct LifePaths {
    all: OpenIndex,
    /// `None`: nobody asks for them, or there is no such index.
    stopping: Option<OpenIndex>,
}

impl LifePaths {
    /// Opens them; `by_status` says that it will be asked who may stop tokens.
    pub fn open(by_status: bool) -> Self {
        let stopping = if by_status { STOPPING.open_to_walk_if_possible() } else { None };
        LifePaths { all: BY_NAME.index().open_to_walk(), stopping }
    }
}

/// The lives of principals as one snapshot shows them, for whoever asks for those of many, and for the same ones again.
pub struct Lives<'a> {
    all: Walk<'a, 1>,
    stopping: Option<Walk<'a, 1>>,
    known: HashMap<Text, Known>,
}

/// What is known of a principal.
#[derive(Clone, Copy)]
enum Known {
    /// Its life; `None`: there is none of this name.
    Life(Option<Life>),
    /// That it stops no token.
    StopsNone,
}

impl<'a> Lives<'a> {
    /// How many are known at most: the owners of one page, and of many that its filters pass over.
    const MOST: usize = 10_000;

    pub fn new(paths: &'a LifePaths, snapshot: &'a LatestSnapshot) -> Self {
        let stopping = paths.stopping.as_ref().map(|index| index.walk(snapshot));
        Lives { all: paths.all.walk(snapshot), stopping, known: HashMap::new() }
    }

    /// That of the principal with this name, tombstones included.
    pub fn of(&mut self, name: &[u8]) -> Option<Life> {
        if let Some(Known::Life(known)) = self.known.get(name) {
            return *known;
        }
        let found = self.all.first([(1, Is::Equal, IndexKey::Text(name))], Direction::Down, column::DROPPED_AT);
        let found = found.map(|row| read_life(&row));
        self.know(name, Known::Life(found));
        found
    }

    /// Whether the row of the principal with this name may keep a token of its from working. Most keep none, and of
    /// those no row is read: they are not in the index of the others.
    pub fn may_stop(&mut self, name: &[u8]) -> bool {
        let may_stop = |life: Option<Life>| life.is_some_and(|life| life.state.may_stop());
        match self.known.get(name) {
            Some(Known::Life(known)) => return may_stop(*known),
            Some(Known::StopsNone) => return false,
            None => {}
        }
        let Some(stopping) = &mut self.stopping else {
            return may_stop(self.of(name));
        };
        let is_there = stopping.first([(1, Is::Equal, IndexKey::Text(name))], Direction::Down, 0).is_some();
        if !is_there {
            self.know(name, Known::StopsNone);
        }
        is_there
    }

    fn know(&mut self, name: &[u8], known: Known) {
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        self.known.insert(name.to_vec().into(), known);
    }
}

fn read_life(row: &Row) -> Life {
    Life { state: state(row), epoch: row.required(column::EPOCH) }
}

/// How firmly a row is locked until the transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Not at all: for showing what could be done, also in a read-only transaction.
    Look,
    /// It cannot change; others may lock it so too. (A foreign key's KEY SHARE would let it be deactivated meanwhile.)
    Share,
    /// It cannot change, and nobody else locks it: for counting its tokens and for changing it.
    Alone,
}

/// The newest version of the principal of this name, tombstones included, locked as `hold` says.
pub fn lock(name: &PrincipalName, hold: Hold) -> Option<Principal> {
    match hold {
        Hold::Look => find(name.as_bytes(), &LatestSnapshot::take()),
        Hold::Share => lock_shared(name),
        Hold::Alone => BY_NAME.lock(IndexKey::Text(name.as_bytes()), Strength::NoKeyUpdate, read),
    }
}

/// Locks a principal in SHARE mode, unless this transaction has locked it so before.
fn lock_shared(name: &PrincipalName) -> Option<Principal> {
    let now = LockMoment::now();
    if let Some(known) = SHARED.with_borrow_mut(|shared| shared.get(now, name.as_bytes()).cloned()) {
        return Some(known);
    }
    let found = BY_NAME.lock(IndexKey::Text(name.as_bytes()), Strength::Share, read);
    if let Some(principal) = &found {
        SHARED.with_borrow_mut(|shared| shared.put(now, name.text(), principal.clone(), principal.size()));
    }
    found
}

backend_local! {
    /// Principals that the transaction has locked in SHARE mode.
    static SHARED: RefCell<WhileLocked<Principal>> = const { RefCell::new(WhileLocked::nothing()) };
}

/// As [`lock`], but only a principal that has not been dropped.
///
/// # Errors
/// 42704 when there is none.
pub fn lock_existing(name: &PrincipalName, hold: Hold) -> Result<Principal, PrincipalError> {
    lock(name, hold).filter(|principal| !principal.state.dropped).ok_or_else(|| PrincipalError::NotFound(name.shown()))
}

fn read(row: &Row) -> Principal {
    let Life { state, epoch } = read_life(row);
    Principal {
        state,
        epoch,
        permissions: scope_interner::scopes(row.bytes(column::PERMISSIONS).unwrap_or_default(), || {
            stored_scopes(&row.required::<TextArray>(column::PERMISSIONS))
        }),
        state_reason: row.optional(column::STATE_REASON),
        data_scopes: stored_data_scopes(&row.required(column::DATA_SCOPES)),
    }
}

fn state(row: &Row) -> OwnerState {
    OwnerState {
        active: row.required(column::ACTIVE),
        dropped: !row.is_null(column::DROPPED_AT),
        all_dead_before: row.required(column::ALL_DEAD_BEFORE),
        revocable_dead_before: row.required(column::REVOCABLE_DEAD_BEFORE),
    }
}

/// Reads data scopes that our functions stored; a value that does not parse allows nothing.
pub fn stored_data_scopes(stored: &Jsonb) -> DataScopes {
    if stored.is_empty_object() {
        return DataScopes::unrestricted();
    }
    DataScopes::parse(&stored.value()).unwrap_or_else(|_| DataScopes::nothing())
}

/// Makes a principal locked with [`Hold::Alone`] inactive, without killing its tokens.
pub fn set_inactive(name: &PrincipalName, reason: Option<&Text>) {
    static DEACTIVATE: Statement =
        Statement::by_key("UPDATE tokenauth.principal SET active = false, state_reason = $2 WHERE principal = $1");
    kept::refuse("principal", DEACTIVATE.run(arguments![name.text(), reason.cloned()]));
}

/// The principal as events show it.
pub fn described(name: &PrincipalName) -> Option<Jsonb> {
    static DESCRIBE: Statement = Statement::by_key(
        "SELECT jsonb_strip_nulls(jsonb_build_object('active', active, 'permissions', permissions,
                    'data_scopes', data_scopes, 'state_reason', state_reason, 'display_name', display_name))
           FROM tokenauth.principal WHERE principal = $1",
    );
    DESCRIBE.first(arguments![name.text()], |row| row.required(1))
}
