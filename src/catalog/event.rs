//! Rows of `tokenauth.event`: the record of an operation, written in its own transaction.

pub mod append_only;
pub mod correlation;

use pgrx::Uuid;

use super::id;
use crate::error::Error;
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// Who is behind an operation, as its event names it.
pub trait Originator {
    /// The principal that asked for it; none for a trusted call.
    fn principal(&self) -> Option<Text>;
    /// The token that authenticated the transaction.
    fn token(&self) -> Option<Uuid>;
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
        static RECORD: Statement = Statement::new(
            "INSERT INTO tokenauth.event (id, at, event, token_id, kind, owner, actor, acting_token, role, session_role,
                 client, before, after, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, host(inet_client_addr()), $11, $12, $13)",
        );
        let now = Timestamp::now();
        RECORD.run(arguments![
            id::new(now)?,
            now,
            self.event,
            self.token_id,
            self.kind,
            self.owner,
            by.principal(),
            by.token(),
            by.role(),
            by.session_role(),
            self.before,
            self.after,
            correlation::of_transaction(),
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
