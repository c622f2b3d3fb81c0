//! Rows of `tokenauth.kind`.

use std::cell::RefCell;
use std::iter;
use std::rc::Rc;

use pgrx::datum::Interval;

use super::lock_moment::LockMoment;
use crate::error::KindError;
use crate::model::error_style::ErrorStyle;
use crate::model::kind::{Kind, PermissionMode};
use crate::model::rate::Rate;
use crate::model::scope::{Scope, Scopes};
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::index_walk::{Direction, WHOLE};
use crate::pg::scan::row_key::RowKey;
use crate::pg::scan::row_lock::Strength;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments, run_command};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::micros;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::token::Prefix;

/// `tokenauth.kind` by its primary key.
pub static BY_NAME: UniqueIndex = UniqueIndex::new(c"kind", c"kind_pkey", column::NAME as i16);

/// The row with this name, as messages name it.
pub fn row_key(name: &[u8]) -> RowKey {
    RowKey::new("kind", name)
}

/// Columns, in the order of the table.
pub mod column {
    pub const NAME: usize = 1;
    pub const PREFIX: usize = 2;
    pub const DESCRIPTION: usize = 3;
    pub const OWNER_TYPES: usize = 4;
    pub const PERMISSION_MODE: usize = 5;
    pub const CEILING: usize = 6;
    pub const DEFAULT_LIFETIME: usize = 7;
    pub const MAX_LIFETIME: usize = 8;
    pub const LIFETIME_REQUIRED: usize = 9;
    pub const NAME_REQUIRED: usize = 10;
    pub const OWNER_INACTIVE: usize = 11;
    pub const EXPIRED_EDITABLE: usize = 12;
    pub const REVEAL: usize = 13;
    pub const SELF_SERVICE: usize = 14;
    pub const ISSUE_PERMISSION: usize = 15;
    pub const MANAGE_PERMISSION: usize = 16;
    pub const MAX_ACTIVE_PER_OWNER: usize = 17;
    pub const RATE_LIMIT: usize = 18;
    pub const RATE_INTERVAL: usize = 19;
    pub const ERROR_STYLE: usize = 20;
    pub const MAX_GRACE: usize = 21;
    pub const MAX_AGE: usize = 22;
    pub const MAX_IDLE: usize = 23;
    pub const CLOSED: usize = 24;
    pub const DERIVABLE: usize = 25;
    pub const MAX_DERIVED_LIFETIME: usize = 26;
    pub const CREATED_AT: usize = 27;
}

/// The kind of this name, as the snapshot shows it.
pub fn find(name: &[u8], snapshot: &LatestSnapshot) -> Option<Kind> {
    BY_NAME.find(IndexKey::Text(name), snapshot, read)
}

/// How old tokens of the kind of this name grow, as the snapshot shows it; `None`: as old as they like.
pub fn max_age(name: &[u8], snapshot: &LatestSnapshot) -> Option<Interval> {
    BY_NAME.find(IndexKey::Text(name), snapshot, |row| row.optional(column::MAX_AGE)).flatten()
}

/// How old tokens grow, by kind: each kind is read once.
pub struct Ages<'a> {
    snapshot: &'a LatestSnapshot,
    known: Vec<(Text, Option<Interval>)>,
}

impl<'a> Ages<'a> {
    /// As the snapshot shows them.
    pub fn new(snapshot: &'a LatestSnapshot) -> Self {
        Ages { snapshot, known: Vec::new() }
    }

    /// The [`max_age`] of the kind of this name.
    pub fn of(&mut self, kind: &[u8]) -> Option<&Interval> {
        let place = self.known.iter().position(|(name, _)| name.as_bytes() == kind).unwrap_or_else(|| {
            self.known.push((Text::from(kind.to_vec()), max_age(kind, self.snapshot)));
            self.known.len() - 1
        });
        self.known[place].1.as_ref()
    }
}

/// Reads the kind with this name, and locks its name and prefix against changes until the transaction ends. A mass
/// revocation of the kind waits for the lock, and so covers a token that is being issued.
///
/// # Errors
/// 42704 when there is none.
pub fn lock(name: &Text) -> Result<Rc<Kind>, KindError> {
    let now = LockMoment::now();
    let held = LOCKED.with_borrow(|locked| {
        let (kind, _) = locked.as_ref().filter(|(kind, moment)| *moment == now && kind.name == *name)?;
        Some(Rc::clone(kind))
    });
    if let Some(kind) = held {
        return Ok(kind);
    }
    let kind = BY_NAME.lock(IndexKey::Text(name.as_bytes()), Strength::KeyShare, read);
    let kind = Rc::new(kind.ok_or_else(|| KindError::NotFound(name.shown()))?);
    LOCKED.set(Some((Rc::clone(&kind), now)));
    Ok(kind)
}

backend_local! {
    /// The kind that was locked last. A transaction that issues many tokens of it need not lock it for each.
    static LOCKED: RefCell<Option<(Rc<Kind>, LockMoment)>> = const { RefCell::new(None) };
}

/// Waits until no token of this kind, or of any if `None`, is being issued, and blocks further issuing.
///
/// # Errors
/// 42704 when there is no such kind.
pub fn lock_against_issue(name: Option<&Text>) -> Result<(), KindError> {
    static LOCK: Statement =
        Statement::new("SELECT name FROM tokenauth.kind WHERE name = $1 OR $1 IS NULL ORDER BY name FOR UPDATE")
            .repeated();
    if name.is_none() {
        // A kind that is being inserted has no row to lock yet.
        run_command("LOCK TABLE tokenauth.kind IN SHARE MODE");
    }
    let found = LOCK.run(arguments![name.cloned()]);
    match name {
        Some(name) if found == 0 => Err(KindError::NotFound(name.shown())),
        _ => Ok(()),
    }
}

/// Every kind, by name.
pub fn all() -> Vec<Kind> {
    let opened = BY_NAME.index().open_to_walk();
    let snapshot = LatestSnapshot::of_now();
    let mut walk = opened.walk(&snapshot);
    walk.seek([]);
    iter::from_fn(|| walk.next(Direction::Up, WHOLE)).map(|row| read(&row)).collect()
}

/// Whether the kind has tokens.
pub fn has_tokens(name: &Text) -> bool {
    static FIND: Statement = Statement::new("SELECT FROM tokenauth.token WHERE kind = $1 LIMIT 1");
    FIND.run(arguments![name.clone()]) > 0
}

/// Returns a kind that has tokens, whether its row still exists or not.
pub fn any_with_tokens() -> Option<Text> {
    static FIND: Statement = Statement::new("SELECT kind FROM tokenauth.token LIMIT 1");
    FIND.first(&[], |row| row.required(1))
}

fn read(row: &Row) -> Kind {
    let scopes = |number| row.optional::<TextArray>(number).map(|list| stored_scopes(&list));
    let permission = |number| row.bytes(number).map(|stored| Scope::parse(stored).expect("stored permission is valid"));
    Kind {
        name: row.required(column::NAME),
        // The CHECKs and the trigger of the table admit only what parses.
        prefix: row.bytes(column::PREFIX).and_then(|text| Prefix::parse(text).ok()).expect("stored prefix is valid"),
        owner_types: row.required::<TextArray>(column::OWNER_TYPES).stored().map(|text| text.to_vec().into()).collect(),
        permission_mode: row
            .bytes(column::PERMISSION_MODE)
            .and_then(PermissionMode::parse)
            .expect("stored permission mode is known"),
        ceiling: scopes(column::CEILING),
        default_lifetime: row.optional(column::DEFAULT_LIFETIME),
        max_lifetime: row.optional(column::MAX_LIFETIME),
        max_grace: row.required(column::MAX_GRACE),
        lifetime_required: row.required(column::LIFETIME_REQUIRED),
        name_required: row.required(column::NAME_REQUIRED),
        dies_with_owner: row.bytes(column::OWNER_INACTIVE) != Some(b"suspend"),
        expired_editable: row.required(column::EXPIRED_EDITABLE),
        reveal: row.required(column::REVEAL),
        self_service: row.required(column::SELF_SERVICE),
        issue_permission: permission(column::ISSUE_PERMISSION),
        manage_permission: permission(column::MANAGE_PERMISSION),
        max_active_per_owner: row.optional(column::MAX_ACTIVE_PER_OWNER),
        rate: rate(row),
        error_style: row
            .bytes(column::ERROR_STYLE)
            .and_then(|style| str::from_utf8(style).ok()?.parse().ok())
            .unwrap_or(ErrorStyle::Uniform),
        max_age: row.optional(column::MAX_AGE),
        max_idle: row.optional(column::MAX_IDLE),
        closed: row.required(column::CLOSED),
        derivable: row.required(column::DERIVABLE),
        max_derived_lifetime: row.required(column::MAX_DERIVED_LIFETIME),
    }
}

/// The rate of a kind, if it has one.
fn rate(row: &Row) -> Option<Rate> {
    let limit: i32 = row.optional(column::RATE_LIMIT)?;
    let interval: Interval = row.optional(column::RATE_INTERVAL)?;
    Some(Rate { limit: u32::try_from(limit).ok()?, interval: micros(&interval) })
}

/// Scopes as our functions have stored them. A list that was not written by them and does not parse grants nothing.
pub fn stored_scopes(list: &TextArray) -> Scopes {
    Scopes::parse(list.stored()).unwrap_or_else(|_| Scopes::nothing())
}
