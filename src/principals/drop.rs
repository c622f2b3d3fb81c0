//! `drop_principal`.

use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::death_notice;
use crate::catalog::principal::{Covers, Hold, Principal, begin_epoch, lock_existing};
use crate::catalog::{event, member};
use crate::error::{Error, ErrorReport};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::scan::kept;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;

/// Drops a principal and kills all its tokens for good.
///
/// The same id may later start empty.
///
/// # Errors
/// `22004` for a NULL principal, `42704` when it does not exist.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.drop_principal('user:42');
/// SELECT verdict FROM tokenauth.verify(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn drop_principal(call: Call, principal: Option<Text>) -> Result<(), ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let name = PrincipalName::given("principal", principal)?;
    let principal = lock_existing(&name, Hold::Alone)?;
    drop_locked(&name, &principal, &actor)?;
    Ok(())
}

/// Drops a principal that is locked with [`Hold::Alone`].
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn drop_locked(name: &PrincipalName, principal: &Principal, actor: &Actor) -> Result<(), Error> {
    // The row stays as a tombstone: its epochs keep dead tokens dead, even if the id is used again.
    static WRITE_TOMBSTONE: Statement = Statement::by_key(
        "UPDATE tokenauth.principal
            SET active = false, permissions = '{}', data_scopes = '{}', state_reason = NULL, display_name = NULL,
                dropped_at = clock_timestamp()
          WHERE principal = $1",
    );
    let before = member::described_with(name);
    xact::mark_death();
    death_notice::owner_dies(name, principal, Covers::All);
    begin_epoch(name, Covers::All, actor.recorded(), Some(&Text::from("owner dropped")));
    member::remove_all(name);
    kept::refuse("principal", WRITE_TOMBSTONE.run(arguments![name.text()]));
    event::of_principal("principal.dropped", name, actor, before, None)
}
