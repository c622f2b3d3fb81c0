//! Rows of `tokenauth.event`: the record of an operation, written in its own transaction.

pub mod append_only;
pub mod correlation;

use pgrx::Uuid;

use super::id;
use crate::error::Error;
use crate::model::principal_name::PrincipalName;
use crate::pg::process::client;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::sql::statement::Argument;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// The table by its primary key.
static BY_ID: UniqueIndex = UniqueIndex::new(c"event", c"event_pkey", column::ID as i16);

/// Columns, in the order of the table.
mod column {
    pub const ID: usize = 1;
    pub const AT: usize = 2;
    pub const TOKEN_ID: usize = 3;
    pub const ACTING_TOKEN: usize = 4;
    pub const EVENT: usize = 5;
    pub const KIND: usize = 6;
    pub const OWNER: usize = 7;
    pub const ACTOR: usize = 8;
    pub const ACTING_LABEL: usize = 9;
    pub const ROLE: usize = 10;
    pub const SESSION_ROLE: usize = 11;
    pub const CLIENT: usize = 12;
    pub const BEFORE: usize = 13;
    pub const AFTER: usize = 14;
    pub const CORRELATION_ID: usize = 15;
}

/// Who is behind an operation, as its event names it.
pub trait Originator {
    /// The principal that asked for it; none for a trusted call.
    fn principal(&self) -> Option<Text>;
    /// The token that authenticated the transaction.
    fn token(&self) -> Option<Uuid>;
    /// The label of that token, if it was derived from another.
    fn label(&self) -> Option<Text>;
    /// The effective user whose access was used.
    fn role(&self) -> Text;
    /// The role that logged in, unless that is the same.
    fn session_role(&self) -> Option<Text>;
}

/// What happened, and to what.
#[derive(Default)]
pub struct Event {
    /// The name of the event, such as `token.revoked`.
    pub event: &'static str,
    /// The token concerned.
    pub token_id: Option<Uuid>,
    /// The kind concerned.
    pub kind: Option<Text>,
    /// The principal concerned.
    pub owner: Option<Text>,
    /// Its state before.
    pub before: Option<Jsonb>,
    /// Its state after.
    pub after: Option<Jsonb>,
}

impl Event {
    /// Writes the event, with who did it, from where, and in which request.
    ///
    /// # Errors
    /// 58030 when no id can be generated.
    pub fn record(self, by: &impl Originator) -> Result<(), Error> {
        self.record_at(Timestamp::now(), by)
    }

    /// As [`record`](Self::record), for what happened at this moment.
    ///
    /// # Errors
    /// As `record`.
    pub fn record_at(self, at: Timestamp, by: &impl Originator) -> Result<(), Error> {
        BY_ID.insert([
            (column::ID, Argument::of(id::new(at)?)),
            (column::AT, Argument::of(at)),
            (column::EVENT, Argument::of(self.event)),
            (column::TOKEN_ID, Argument::of(self.token_id)),
            (column::KIND, Argument::of(self.kind)),
            (column::OWNER, Argument::of(self.owner)),
            (column::ACTOR, Argument::of(by.principal())),
            (column::ACTING_TOKEN, Argument::of(by.token())),
            (column::ACTING_LABEL, Argument::of(by.label())),
            (column::ROLE, Argument::of(by.role())),
            (column::SESSION_ROLE, Argument::of(by.session_role())),
            (column::CLIENT, Argument::of(client::address())),
            (column::BEFORE, Argument::of(self.before)),
            (column::AFTER, Argument::of(self.after)),
            (column::CORRELATION_ID, Argument::of(correlation::of_transaction())),
        ]);
        Ok(())
    }
}

/// Records an event of a principal.
pub fn of_principal(
    event: &'static str,
    name: &PrincipalName,
    by: &impl Originator,
    before: Option<Jsonb>,
    after: Option<Jsonb>,
) -> Result<(), Error> {
    Event { event, owner: Some(name.text()), before, after, ..Event::default() }.record(by)
}
