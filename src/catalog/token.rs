//! Rows of `tokenauth.token`, for the functions that change a token. Verification reads only the few columns it needs.

pub mod expiring_soon;
pub mod extent;
pub mod grant;
pub mod idle;
pub mod life;
pub mod page;

use std::cell::RefCell;
use std::mem;

use pgrx::Uuid;

use crate::catalog::kind;
use crate::catalog::lock_moment::{LockMoment, WhileLocked};
use crate::catalog::principal::{Covers, Principal, stored_data_scopes};
use crate::error::{LifetimeError, TokenError};
use crate::model::network::Networks;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scopes;
use crate::model::token_state::{StoredState, TokenState};
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::{Index, UniqueIndex};
use crate::pg::scan::row_key::RowKey;
use crate::pg::scan::row_lock::Strength;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::token::Lookup;
use extent::Extent;
use grant::Grant;
use life::{is_alive, is_seen_alive, may_end_between_days_of, of_kind};

/// The table by its primary key.
pub static BY_ID: UniqueIndex = UniqueIndex::new(c"token", c"token_pkey", column::ID as i16);
/// The table by the lookup of the token text.
pub static BY_LOOKUP: UniqueIndex = UniqueIndex::new(c"token", c"token_lookup_key", column::LOOKUP as i16);

/// The table by owner and whether there were few tokens of it when the token was issued.
static BY_OWNER: Index = Index::new(c"token", c"token_owner_idx");
/// Tokens of owners that had many, by owner and id.
static BY_CROWDED_OWNER: Index = Index::new(c"token", c"token_owner_id_idx");

/// The row with this lookup, as messages name it.
pub fn row_key(lookup: i64) -> RowKey {
    RowKey::new("token", &lookup.to_ne_bytes())
}

/// Columns, in the order of the table.
pub mod column {
    pub const LOOKUP: usize = 1;
    pub const ID: usize = 2;
    pub const CREATED_AT: usize = 3;
    pub const OWNER_EPOCH: usize = 4;
    pub const DIES_WITH_OWNER: usize = 5;
    pub const CROWDED: usize = 6;
    pub const EXPIRES_AT: usize = 7;
    pub const NOT_BEFORE: usize = 8;
    pub const REVOKED_AT: usize = 9;
    pub const DISABLED_AT: usize = 10;
    pub const DELETED_AT: usize = 11;
    pub const DIGEST: usize = 12;
    pub const ALGORITHM: usize = 13;
    pub const PEPPER: usize = 14;
    pub const KIND: usize = 15;
    pub const OWNER: usize = 16;
    pub const NAME: usize = 17;
    pub const SCOPES: usize = 18;
    pub const DATA_SCOPES: usize = 19;
    pub const NETWORKS: usize = 20;
    pub const METADATA: usize = 21;
    pub const DESCRIPTION: usize = 22;
    pub const HINT: usize = 23;
    pub const CREATED_BY: usize = 24;
    pub const REVOKED_BY: usize = 25;
    pub const REVOKE_REASON: usize = 26;
    pub const ROTATED_FROM: usize = 27;
    pub const ROTATED_TO: usize = 28;
    pub const SEALED: usize = 29;
    pub const SEAL: usize = 30;
    pub const DERIVE_KEY: usize = 32;
}

pub struct Token {
    /// Its identifier.
    pub id: Uuid,
    pub kind: Text,
    pub owner: Text,
    /// What decides, with its owner, whether it works.
    pub state: TokenState,
    /// What it was granted, until when it works, and from where.
    pub extent: Extent,
    /// Whether it has a successor.
    pub rotated: bool,
}

impl Token {
    /// Checks that the token starts working before this expiry.
    ///
    /// # Errors
    /// 22023 when it would not.
    pub fn begins_before(&self, expires_at: Option<Timestamp>) -> Result<(), LifetimeError> {
        match (self.state.not_before, expires_at) {
            (Some(start), Some(end)) if start >= end => Err(LifetimeError::NeverValid),
            _ => Ok(()),
        }
    }
}

/// The token with this id, deleted ones included, without a lock.
pub fn find(id: Uuid) -> Option<Token> {
    let snapshot = LatestSnapshot::take();
    BY_ID.find(IndexKey::Uuid(id), &snapshot, read).map(|found| found.of_its_kind(&snapshot))
}

/// Whether the token with this id is found by this lookup. One of another database that was imported is not found by
/// that in its text.
pub fn has_lookup(id: Uuid, lookup: Lookup) -> bool {
    let read = |row: &Row| row.required::<i64>(column::LOOKUP) == lookup.to_bigint();
    BY_ID.find(IndexKey::Uuid(id), &LatestSnapshot::take(), read).unwrap_or(false)
}

/// The lookup of the token with this id.
pub fn lookup(id: Uuid) -> Option<i64> {
    BY_ID.find(IndexKey::Uuid(id), &LatestSnapshot::take(), |row| row.required(column::LOOKUP))
}

/// Whether the owner, whose row the transaction has locked, has so many tokens that the next one, which is about to be
/// stored, is to stand in the index that keeps them in order. Some more may stand outside, which are being issued at
/// the same time.
pub fn is_crowded(owner: &PrincipalName) -> bool {
    /// About a page: reading all of them in order to sort them takes as long as reading one.
    const FEW: usize = 20;
    let one_more = |before: usize| FEW.min(before + 1);
    let now = LockMoment::now();
    let known = COUNTED.with_borrow_mut(|counted| {
        let count = counted.get(now, owner.as_bytes())?;
        Some(mem::replace(count, one_more(*count)))
    });
    let before = known.unwrap_or_else(|| {
        // Where they cannot be counted, there may be many: the order of an index is right for few, too.
        let before = BY_OWNER.count_if_possible(IndexKey::Text(owner.as_bytes()), FEW).unwrap_or(FEW);
        COUNTED.with_borrow_mut(|counted| counted.put(now, owner.text(), one_more(before), 0));
        before
    });
    before == FEW
}

backend_local! {
    /// How many tokens owners have, those included that this transaction has made since they were counted.
    static COUNTED: RefCell<WhileLocked<usize>> = const { RefCell::new(WhileLocked::nothing()) };
}

/// The newest version of the token with this id, locked against changes until the transaction ends.
///
/// # Errors
/// 42704 when there is none.
pub fn lock(id: Uuid) -> Result<Token, TokenError> {
    let found = BY_ID.lock(IndexKey::Uuid(id), Strength::NoKeyUpdate, read).ok_or(TokenError::NotFound(id))?;
    Ok(found.of_its_kind(&LatestSnapshot::take()))
}

/// A token as its row alone tells it.
struct Stored {
    state: StoredState,
    /// All else; its state is that of a kind without a `max_age`.
    token: Token,
}

impl Stored {
    fn of_its_kind(self, snapshot: &LatestSnapshot) -> Token {
        let max_age = kind::max_age(self.token.kind.as_bytes(), snapshot);
        Token { state: self.state.of_kind(max_age.as_ref()), ..self.token }
    }
}

fn read(row: &Row) -> Stored {
    let state = state(row);
    let token = Token {
        id: row.required(column::ID),
        kind: row.required(column::KIND),
        owner: row.required(column::OWNER),
        state: state.of_kind(None),
        extent: extent(row),
        rotated: !row.is_null(column::ROTATED_TO),
    };
    Stored { state, token }
}

/// What decides, with its owner and its kind, whether the token of a row works.
pub fn state(row: &Row) -> StoredState {
    let state = TokenState {
        revoked: !row.is_null(column::REVOKED_AT),
        deleted: !row.is_null(column::DELETED_AT),
        disabled: !row.is_null(column::DISABLED_AT),
        dies_with_owner: row.required(column::DIES_WITH_OWNER),
        owner_epoch: row.required(column::OWNER_EPOCH),
        not_before: row.optional(column::NOT_BEFORE),
        ends_at: row.optional(column::EXPIRES_AT),
    };
    StoredState::new(state, row.required(column::CREATED_AT))
}

/// The scopes of a token as they are stored: with a blank, which no scope has, between two. A list that was not written
/// by our functions and does not parse grants nothing.
pub fn stored_scopes(words: &[u8]) -> Scopes {
    let scopes = words.split(|&byte| byte == b' ').filter(|_| !words.is_empty());
    Scopes::parse(scopes).unwrap_or_else(|_| Scopes::nothing())
}

/// Scopes that are stored so, as lists show them.
pub fn shown_scopes(words: &[u8]) -> TextArray {
    words.split(|&byte| byte == b' ').filter(|_| !words.is_empty()).map(|scope| Text::from(scope.to_vec())).collect()
}

/// Scopes as they are stored.
pub fn scopes_to_store(scopes: &Scopes) -> Text {
    Text::from(scopes.iter().collect::<Vec<_>>().join(" ").as_str())
}

fn extent(row: &Row) -> Extent {
    Extent {
        grant: Grant {
            scopes: row.bytes(column::SCOPES).map(stored_scopes),
            data_scopes: row.optional::<Jsonb>(column::DATA_SCOPES).map(|stored| stored_data_scopes(&stored)),
        },
        expires_at: row.optional(column::EXPIRES_AT),
        networks: row.optional::<TextArray>(column::NETWORKS).map(|list| Networks::stored(list.stored())),
    }
}

/// The settings of a token that do not depend on what its owner holds.
#[derive(Default)]
pub struct Settings {
    pub name: Option<Text>,
    pub description: Option<Text>,
    /// Networks it may be used from.
    pub networks: Option<TextArray>,
    /// The application's own data.
    pub metadata: Option<Jsonb>,
}

/// The settings of a token.
///
/// # Errors
/// 42704 when there is no such token.
pub fn settings(id: Uuid) -> Result<Settings, TokenError> {
    let read = |row: &Row| Settings {
        name: row.optional(column::NAME),
        description: row.optional(column::DESCRIPTION),
        networks: row.optional(column::NETWORKS),
        metadata: row.optional(column::METADATA),
    };
    BY_ID.find(IndexKey::Uuid(id), &LatestSnapshot::take(), read).ok_or(TokenError::NotFound(id))
}

/// How many tokens of a kind an owner has alive, without those in the grace of a rotation. The owner must be locked
/// with [`Hold::Alone`](crate::catalog::principal::Hold::Alone).
pub fn count_alive(owner: &PrincipalName, kind: &Text, principal: &Principal) -> i64 {
    static COUNT: Statement = Statement::by_key(concat!(
        "SELECT count(*)
           FROM tokenauth.token t",
        of_kind!(),
        " WHERE t.owner = $1 AND t.kind = $2 AND t.rotated_to IS NULL AND ",
        is_alive!("$3", "$4"),
    ));
    let (all, revocable) = principal.state.dead_before();
    COUNT.first(arguments![owner.text(), kind.clone(), all, revocable], |row| row.required(1)).unwrap_or(0)
}

/// How many tokens an owner, locked likewise, has alive; counts no further than `most`.
pub fn count_alive_of(owner: &PrincipalName, principal: &Principal, most: i64) -> i64 {
    // Each part is a range of the index, so tokens of earlier mass deaths are not even passed over. ORDER BY names the
    // index order: without it, the planner underestimates the cost of scanning the whole table for an owner of many
    // tokens whose rows lie at its end.
    macro_rules! part {
        ($which:literal, $epoch:literal) => {
            concat!(
                "(SELECT FROM tokenauth.token t",
                of_kind!(),
                " WHERE t.owner = $1 AND ",
                $which,
                " AND ",
                is_alive!($epoch),
                " ORDER BY t.owner_epoch LIMIT $4)"
            )
        };
    }
    static COUNT: Statement = Statement::by_key(concat!(
        "SELECT count(*) FROM (",
        part!("NOT t.crowded AND NOT t.dies_with_owner", "$2"),
        " UNION ALL ",
        part!("NOT t.crowded AND t.dies_with_owner", "$3"),
        " UNION ALL ",
        part!("t.crowded AND NOT t.dies_with_owner", "$2"),
        " UNION ALL ",
        part!("t.crowded AND t.dies_with_owner", "$3"),
        " LIMIT $4) alive",
    ));
    let (all, revocable) = principal.state.dead_before();
    COUNT.first(arguments![owner.text(), all, revocable, most], |row| row.required(1)).unwrap_or(0)
}

/// At most `most` tokens of an owner, locked likewise, that a mass death would kill now.
pub fn alive_of(owner: &PrincipalName, principal: &Principal, covers: Covers, most: i64) -> Vec<Uuid> {
    static FIND: Statement = Statement::by_key(concat!(
        "SELECT t.id
           FROM tokenauth.token t",
        of_kind!(),
        " WHERE t.owner = $1 AND (t.dies_with_owner OR $4) AND ",
        is_alive!("$2", "$3"),
        " ORDER BY t.owner, t.crowded, t.dies_with_owner, t.owner_epoch
          LIMIT $5",
    ));
    let (all, revocable) = principal.state.dead_before();
    FIND.all(arguments![owner.text(), all, revocable, covers == Covers::All, most], |row| row.required(1))
}

/// A sealed token text, and the id of its key.
pub struct SealedRow {
    /// The token it belongs to.
    pub id: Uuid,
    /// The sealed text.
    pub sealed: Vec<u8>,
    /// Id of the key.
    pub seal: Text,
}

/// The sealed text of a token.
pub fn sealed(id: Uuid) -> Option<SealedRow> {
    static FIND: Statement =
        Statement::by_key("SELECT id, sealed, seal FROM tokenauth.token WHERE id = $1 AND sealed IS NOT NULL");
    FIND.first(arguments![id], read_sealed)
}

/// Locks at most `most` sealed texts under other keys than this one, and skips those that others have locked.
pub fn lock_sealed_otherwise(seal: &str, most: i64) -> Vec<SealedRow> {
    static LOCK: Statement = Statement::new(
        "SELECT id, sealed, seal FROM tokenauth.token WHERE seal <> $1 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
    )
    .repeated();
    LOCK.all(arguments![seal, most], read_sealed)
}

/// How many sealed texts are under other keys than this one.
pub fn count_sealed_otherwise(seal: &str) -> i64 {
    static COUNT: Statement = Statement::new("SELECT count(*) FROM tokenauth.token WHERE seal <> $1");
    COUNT.first(arguments![seal], |row| row.required(1)).unwrap_or(0)
}

/// Replaces the sealed text of a locked token.
pub fn store_sealed(id: Uuid, sealed: &[u8], seal: &str) {
    static STORE: Statement = Statement::by_key("UPDATE tokenauth.token SET sealed = $2, seal = $3 WHERE id = $1");
    STORE.run(arguments![id, sealed, seal]);
}

fn read_sealed(row: &Row) -> SealedRow {
    SealedRow { id: row.required(1), sealed: row.required(2), seal: row.required(3) }
}

/// The token as events show it.
pub fn described(id: Uuid) -> Option<Jsonb> {
    let read = |row: &Row| {
        let rotated_to = row.optional::<Uuid>(column::ROTATED_TO).map(|id| id.to_string());
        JsonObject::new()
            .text("name", row.bytes(column::NAME))
            .text("description", row.bytes(column::DESCRIPTION))
            .words("scopes", row.bytes(column::SCOPES))
            .document("data_scopes", row.optional(column::DATA_SCOPES).as_ref())
            .moment("expires_at", row.optional(column::EXPIRES_AT))
            .moment("not_before", row.optional(column::NOT_BEFORE))
            .texts("networks", row.optional(column::NETWORKS).as_ref())
            .document("metadata", row.optional(column::METADATA).as_ref())
            .text("rotated_to", rotated_to.as_deref().map(str::as_bytes))
            .into()
    };
    BY_ID.find(IndexKey::Uuid(id), &LatestSnapshot::take(), read)
}

/// The row of the view `tokenauth.tokens` with id `$1`, as a composite.
pub static SEEN: Statement = Statement::by_key("SELECT t FROM tokenauth.tokens t WHERE t.id = $1");

/// Rows of the view `tokenauth.tokens`, alive, that expire after `$1`, which is now, by `$2`, in order of expiry. The
/// index walks from now on: most of those that were ever issued expired before.
pub static EXPIRING: Statement = Statement::of_all(concat!(
    "SELECT t.*
       FROM tokenauth.tokens t
      WHERE t.id = ANY (ARRAY(",
    may_end_between_days_of!("$1", "$2"),
    ")) AND t.expires_at > $1 AND t.expires_at <= $2 AND ",
    is_seen_alive!(),
    " ORDER BY t.expires_at, t.id",
));
