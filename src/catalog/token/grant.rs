//! What a token is granted: chosen by the caller, or all that its owner holds.

use super::Token;
use crate::catalog::principal::Principal;
use crate::error::{ArgumentError, Error, GrantError};
use crate::model::data_scope::DataScopes;
use crate::model::kind::Kind;
use crate::model::scope::{Scopes, ScopesError};

/// What a token is granted; both are `None` for kinds whose tokens carry nothing of their own.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The scopes chosen for it.
    pub scopes: Option<Scopes>,
    /// The data scopes chosen for it.
    pub data_scopes: Option<DataScopes>,
}

impl Grant {
    /// Checks that the owner holds what a token with this grant would carry. Does not apply to mode `all`.
    ///
    /// # Errors
    /// 42501 when it does not.
    pub fn within_owner(&self, kind: &Kind, owner: &Principal) -> Result<(), Error> {
        if !kind.permission_mode.is_chosen() {
            return Ok(());
        }
        let scopes = kind.effective_scopes(self.scopes.as_ref(), &owner.permissions);
        let data_scopes = kind.effective_data_scopes(self.data_scopes.as_ref(), &owner.data_scopes);
        if !scopes.within(&kind.held(&owner.permissions)) {
            return Err(GrantError::NotHeld("scopes").into());
        }
        if data_scopes.within(&owner.data_scopes) { Ok(()) } else { Err(GrantError::NotHeld("data scopes").into()) }
    }

    /// The grant chosen by the caller; a field is `None` where nothing is chosen.
    ///
    /// # Errors
    /// 22023 when the kind allows no choice or the choice is beyond the ceiling, 42501 when the owner does not hold it.
    pub fn chosen(
        kind: &Kind,
        owner: &Principal,
        scopes: Option<Scopes>,
        data_scopes: Option<DataScopes>,
    ) -> Result<Self, Error> {
        if !kind.permission_mode.is_chosen() && (scopes.is_some() || data_scopes.is_some()) {
            let what = if scopes.is_some() { "scopes" } else { "data_scopes" };
            return Err(GrantError::NotChosen { what, kind: kind.name.shown() }.into());
        }
        if let Some(scopes) = &scopes {
            within_ceiling(kind, scopes)?;
            if let Some(scope) = scopes.missing_from(&kind.held(&owner.permissions)).next() {
                return Err(GrantError::ScopeNotHeld(scope.to_string()).into());
            }
        }
        if data_scopes.as_ref().is_some_and(|chosen| !chosen.within(&owner.data_scopes)) {
            return Err(GrantError::NotHeld("data scopes").into());
        }
        Ok(Grant { scopes, data_scopes })
    }

    /// Fills in all that the owner holds where nothing was chosen, for kinds whose tokens carry something of their own.
    ///
    /// # Errors
    /// 22023 when that is more than a token can carry.
    pub fn or_all(self, kind: &Kind, owner: &Principal) -> Result<Self, Error> {
        if !kind.permission_mode.is_chosen() {
            return Ok(self);
        }
        let scopes = self.scopes.unwrap_or_else(|| kind.held(&owner.permissions));
        // Intersecting many patterns with many can yield more patterns than a token may carry.
        if scopes.len() > Scopes::MAX {
            return Err(ArgumentError::Scopes { of: "scopes", why: ScopesError::TooMany }.into());
        }
        let data_scopes = self.data_scopes.unwrap_or_else(|| owner.data_scopes.clone());
        Ok(Grant { scopes: Some(scopes), data_scopes: Some(data_scopes) })
    }

    /// Fills in what the token has where nothing was chosen.
    pub fn or_as(self, token: &Token) -> Self {
        Grant {
            scopes: self.scopes.or_else(|| token.extent.grant.scopes.clone()),
            data_scopes: self.data_scopes.or_else(|| token.extent.grant.data_scopes.clone()),
        }
    }

    /// What the successor of a token with this grant gets: no more than the kind lets a new token have.
    pub fn of_successor(&self, kind: &Kind) -> Self {
        if !kind.permission_mode.is_chosen() {
            return Grant { scopes: None, data_scopes: None };
        }
        let within_ceiling = |scopes: &Scopes| {
            let cut = kind.cut(scopes.clone());
            // Many patterns cut by many can be more than a row may hold. Then the ceiling cuts at each use only.
            if cut.len() > Scopes::MAX { scopes.clone() } else { cut }
        };
        Grant { scopes: self.scopes.as_ref().map(within_ceiling), data_scopes: self.data_scopes.clone() }
    }
}

/// Checks that no chosen scope goes beyond the ceiling.
///
/// # Errors
/// 22023 when one does.
fn within_ceiling(kind: &Kind, chosen: &Scopes) -> Result<(), Error> {
    let Some(ceiling) = &kind.ceiling else {
        return Ok(());
    };
    match chosen.missing_from(ceiling).next() {
        None => Ok(()),
        Some(scope) => Err(GrantError::BeyondCeiling { kind: kind.name.shown(), scope: scope.to_string() }.into()),
    }
}
