//! `put_principal`: inserts or changes a principal.

use pgrx::prelude::*;

use super::binding::{Supplied, refuse_supplied};
use super::deactivate::kill_revocable;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_NAME, MOST_PROSE};
use crate::catalog::principal::{Hold, lock, past_of};
use crate::catalog::{erased, event, principal};
use crate::error::{Error, ErrorReport, PrincipalError};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::scan::kept;
use crate::pg::sql::statement::{Statement, fields};
use crate::pg::transaction::xact;
use crate::pg::types::array::TextArray;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// Makes a principal known or changes it; NULL leaves a field as it is.
///
/// By default, a new one is active, holds no permissions and is unrestricted in its data. `active => false` does what
/// `deactivate` does. A dropped principal starts afresh; its old tokens stay dead.
///
/// # Arguments
/// - `permissions`: what it holds
/// - `data_scopes`: the allowed values by dimension, such as `{"site": ["nyc"]}`; `{}` restricts nothing
/// - `active`: whether its tokens may work
/// - `state_reason`: why it is inactive, for the `detail` of verifications
/// - `display_name`: for people
///
/// # Errors
/// `22004` for a NULL principal, `22023` for a malformed principal, permission or data scope, and for a token in one of
/// them or in the display name, `55000` for a field that a bound table supplies and for the id of an erased principal,
/// the former one and the one that stands for it.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.put_principal('service:collector-7', permissions => '{devices:read}');
/// SELECT owner, scopes FROM tokenauth.issue('api', 'service:collector-7');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn put_principal(
    call: Call,
    principal: Option<Text>,
    permissions: default!(Option<TextArray>, "NULL"),
    data_scopes: default!(Option<Jsonb>, "NULL"),
    active: default!(Option<bool>, "NULL"),
    state_reason: default!(Option<Text>, "NULL"),
    display_name: default!(Option<Text>, "NULL"),
) -> Result<(), ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let name = PrincipalName::given("principal", principal)?;
    let permissions = permissions.map(|held| arguments::kept_scopes("permissions", &held)).transpose()?;
    let data_scopes = data_scopes.as_ref().map(arguments::data_scopes).transpose()?;
    if name.is_erased() {
        Err(PrincipalError::Erased)?;
    }
    refuse_supplied(
        &name,
        Supplied {
            active: active.is_some(),
            permissions: permissions.is_some(),
            data_scopes: data_scopes.is_some(),
            display_name: display_name.is_some(),
            state_reason: state_reason.is_some(),
        },
    )?;
    let put = Put {
        permissions: permissions.map(|held| held.iter().collect()),
        data_scopes: data_scopes.map(|data| Jsonb::of(&data.to_value())),
        active,
        state_reason: arguments::masked("state_reason", state_reason, MOST_PROSE)?,
        display_name: arguments::for_people("display_name", display_name, MOST_NAME)?,
    };
    Ok(put.apply(&actor, &name)?)
}

/// The fields to set; `None` leaves one as it is.
struct Put {
    permissions: Option<TextArray>,
    data_scopes: Option<Jsonb>,
    active: Option<bool>,
    state_reason: Option<Text>,
    display_name: Option<Text>,
}

impl Put {
    fn apply(self, actor: &Actor, name: &PrincipalName) -> Result<(), Error> {
        static INSERT: Statement = Statement::by_key(concat!(
            "INSERT INTO tokenauth.principal (principal, permissions, data_scopes, active, state_reason, display_name,
                                              epoch, all_dead_before_epoch, revocable_dead_before_epoch)
             SELECT $1, coalesce($2, '{}'), coalesce($3, '{}'), coalesce($4, true), $5, $6,
                    past.epoch, past.all_dead, past.revocable_dead
               FROM ",
            past_of!("$1", "true"),
            " ON CONFLICT (principal) DO NOTHING",
        ))
        .repeated();
        // A tombstone keeps its epochs and nothing else. Activation clears the reason for having been inactive.
        static UPDATE: Statement = Statement::by_key(
            "UPDATE tokenauth.principal
                SET permissions = coalesce($2, permissions),
                    data_scopes = coalesce($3, data_scopes),
                    active = coalesce($4, active OR dropped_at IS NOT NULL),
                    state_reason = coalesce($5, CASE WHEN active OR NOT coalesce($4, false) THEN state_reason END),
                    display_name = coalesce($6, display_name),
                    created_at = CASE WHEN dropped_at IS NULL THEN created_at ELSE now() END,
                    dropped_at = NULL
              WHERE principal = $1",
        );
        // A narrowing is as urgent as a revocation.
        xact::mark_narrowing();
        let values = |put: &Self| {
            fields![
                name.text(),
                put.permissions.clone(),
                put.data_scopes.clone(),
                put.active,
                put.state_reason.clone(),
                put.display_name.clone(),
            ]
        };
        // Again when another session has inserted it between the two, or has purged it meanwhile.
        let mut round = 0;
        let previous = loop {
            if let Some(found) = lock(name, Hold::Alone) {
                break found;
            }
            kept::refuse_endless("principal", round);
            round += 1;
            arguments::refuse_tokens("principal", [name.as_bytes()].into_iter())?;
            if INSERT.run(&values(&self)) == 1 {
                // Asked afterwards: whoever erases it from now on waits for this row.
                if erased::is_id(&name.text()) {
                    return Err(PrincipalError::IdErased(name.shown()).into());
                }
                return event::of_principal("principal.created", name, actor, None, principal::described(name));
            }
            pgrx::check_for_interrupts!();
        };
        let (known, was_active) = (!previous.state.dropped, previous.state.active);
        let before = principal::described(name).filter(|_| known);
        kept::refuse("principal", UPDATE.run(&values(&self)));
        if known && was_active && self.active == Some(false) {
            kill_revocable(name, &previous, actor, self.state_reason.as_ref());
        }
        let after = principal::described(name);
        if before != after {
            let event = match self.active {
                _ if !known => "principal.created",
                Some(false) if was_active => "principal.deactivated",
                Some(true) if !was_active => "principal.activated",
                _ => "principal.changed",
            };
            event::of_principal(event, name, actor, before, after)?;
        }
        Ok(())
    }
}
