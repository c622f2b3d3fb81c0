//! Which fields of principals and memberships a binding supplies, so that nobody may set them by hand.

use super::definition::Definition;
use super::triggers;
use crate::catalog::member;
use crate::error::PrincipalError;
use crate::model::bound_to::BoundTo;
use crate::model::principal_name::PrincipalName;
use crate::pg::scan::relation::{Supply, lock_supply};
use crate::pg::sql::statement::Argument;
use crate::pg::types::text::Text;

/// Fields of a principal: those that a binding supplies, or that a call sets.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Supplied {
    /// `active`.
    pub active: bool,
    /// `permissions`.
    pub permissions: bool,
    /// `data_scopes`.
    pub data_scopes: bool,
    /// `display_name`.
    pub display_name: bool,
    /// `state_reason`.
    pub state_reason: bool,
}

impl Supplied {
    /// The fields as arguments of a statement.
    pub fn arguments(self) -> [Argument; 5] {
        self.named().map(|(_, is_supplied)| Argument::of(is_supplied))
    }

    fn named(self) -> [(&'static str, bool); 5] {
        [
            ("active", self.active),
            ("permissions", self.permissions),
            ("data_scopes", self.data_scopes),
            ("display_name", self.display_name),
            ("state_reason", self.state_reason),
        ]
    }
}

/// Locks what is supplied by a binding to `to`; called before any row of ours is locked.
pub fn lock(to: &BoundTo, supply: Supply) {
    match to {
        BoundTo::Principals(of_type) => lock_supply(c"principal", of_type.as_bytes(), supply),
        BoundTo::Memberships => lock_supply(c"member", b"", supply),
    }
}

/// Checks that a call sets no field that the table bound to this type of principals supplies, and keeps others from
/// binding one until the transaction ends.
///
/// # Errors
/// 55000 when it does.
pub fn refuse_supplied(name: &PrincipalName, set: Supplied) -> Result<(), PrincipalError> {
    if set == Supplied::default() {
        return Ok(());
    }
    let to = BoundTo::Principals(name.principal_type().to_owned());
    lock(&to, Supply::SetByHand);
    for (table, definition) in definitions_to(&to) {
        let supplied = definition.supplied().named();
        let clash = set.named().into_iter().zip(supplied).find(|((_, set), (_, supplied))| *set && *supplied);
        if let Some(((field, _), _)) = clash {
            return Err(PrincipalError::SuppliedByBinding {
                field,
                principal_type: name.principal_type().to_owned(),
                table: table.shown(),
            });
        }
    }
    Ok(())
}

/// The table bound to this type of principals, if it supplies whether they are active.
pub fn supplier_of_active(name: &PrincipalName) -> Option<String> {
    definitions_to(&BoundTo::Principals(name.principal_type().to_owned()))
        .find(|(_, definition)| definition.supplied().active)
        .map(|(table, _)| table.shown())
}

/// Whether a bound table has a row of this principal, or of a membership of or in it: what came from such a row is
/// there until the row is gone. `is_known` if the principal is.
pub fn holds(name: &PrincipalName, is_known: bool) -> bool {
    let is_bound = |to: BoundTo| definitions_to(&to).next().is_some();
    is_known && is_bound(BoundTo::Principals(name.principal_type().to_owned()))
        || member::has_any(name) && is_bound(BoundTo::Memberships)
}

/// Checks that a membership may be changed by hand: not while a table is bound to memberships, except for the
/// permissions of an existing one where the binding does not supply them. The caller has locked memberships against
/// binding, by [`lock`].
///
/// # Errors
/// 55000 when it may not.
pub fn refuse_membership(sets_only_permissions: bool) -> Result<(), PrincipalError> {
    match definitions_to(&BoundTo::Memberships)
        .find(|(_, definition)| !sets_only_permissions || definition.supplied().permissions)
    {
        Some((table, _)) => Err(PrincipalError::MembershipsBound(table.shown())),
        None => Ok(()),
    }
}

/// The tables that are bound to `to`, with their definitions.
fn definitions_to(to: &BoundTo) -> impl Iterator<Item = (Text, Definition)> {
    triggers::bindings().into_iter().filter_map(move |binding| {
        let definition = Definition::of_arguments(&binding.arguments).ok()?;
        (definition.to() == to).then_some((binding.table_name, definition))
    })
}
