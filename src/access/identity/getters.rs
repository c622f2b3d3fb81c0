//! What policies ask: who is authenticated, and what it may do.
//!
//! The getters are STABLE, so that a policy that wraps them in `(SELECT …)` calls them once per query. Not IMMUTABLE,
//! which would serve one user's rows to another; not LEAKPROOF; PARALLEL RESTRICTED, as workers have no identity.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::state::{self, Identity};
use crate::arguments::caller::Caller;
use crate::error::{ArgumentError, Error, ErrorReport};
use crate::model::data_scope::DataScopes;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scope;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::verify::described;

/// Returns the principal that the transaction acts for; NULL when nobody is authenticated.
///
/// # Errors
/// `25000` in a parallel worker, as in all functions that tell of the identity.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT tokenauth.authenticate(:'token');
/// SELECT tokenauth.current_owner(), tokenauth.current_owner_type(), tokenauth.current_owner_id();
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_owner(call: Call) -> Result<Option<Text>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(state::current()?.map(|identity| identity.owner()))
}

/// Returns the type of the principal that the transaction acts for.
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.current_owner_type();
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_owner_type(call: Call) -> Result<Option<Text>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(of_owner(|owner| Text::from(owner.principal_type()))?)
}

/// Returns the id of the principal that the transaction acts for, without its type.
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// CREATE TABLE device (name text, customer text);
/// ALTER TABLE device ENABLE ROW LEVEL SECURITY;
/// CREATE POLICY own ON device USING (customer = (SELECT tokenauth.current_owner_id()));
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_owner_id(call: Call) -> Result<Option<Text>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(of_owner(|owner| Text::from(owner.id().to_vec()))?)
}

/// Returns the id of the token that authenticated the transaction.
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.current_token_id() = :'id' AS same;
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_token_id(call: Call) -> Result<Option<Uuid>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(state::current()?.map(|identity| identity.id))
}

/// Returns label and end of the derived token that authenticated the transaction; NULL for any other.
///
/// Added in 0.2.0.
///
/// # Returns
/// `{"label": …, "expires_at": …}`; a label that was not given is left out
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// UPDATE tokenauth.kind SET derivable = true WHERE name = 'api';
/// SELECT token AS parent FROM tokenauth.issue('api', 'user:42') \gset
/// SELECT tokenauth.derive(:'parent', label => 'nightly export') AS child \gset
/// SELECT verdict FROM tokenauth.sign_in(:'child');
/// SELECT tokenauth.current_derived() ->> 'label' AS label;
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_derived(call: Call) -> Result<Option<Jsonb>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(state::current()?.and_then(|identity| identity.narrowing().map(|narrowing| described(narrowing))))
}

/// Returns the kind of the token that authenticated the transaction.
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.current_kind();
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_kind(call: Call) -> Result<Option<Text>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(state::current()?.map(|identity| identity.effective().kind().name.clone()))
}

/// Returns the scopes that the token granted when it authenticated the transaction.
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.current_scopes();
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn current_scopes(call: Call) -> Result<Option<TextArray>, ErrorReport> {
    Caller::enter_restricted(call)?;
    Ok(state::current()?.map(|identity| identity.effective().scopes().iter().collect()))
}

/// Tells whether the transaction is authenticated by a token that grants this scope.
///
/// A pattern must be covered entirely.
///
/// # Arguments
/// - `scope`: what must be granted
///
/// # Errors
/// `22023` for a malformed scope, even if nobody is authenticated; `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.has_scope('devices:read') AS read, tokenauth.has_scope('devices:*') AS everything;
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn has_scope(call: Call, scope: Option<Text>) -> Result<bool, ErrorReport> {
    Caller::enter_restricted(call)?;
    let identity = state::current()?;
    let Some(scope) = scope else {
        return Ok(false);
    };
    let scope = Scope::parse(scope.as_bytes()).map_err(|why| ArgumentError::Scope { of: "argument", why })?;
    Ok(identity.is_some_and(|identity| identity.effective().scopes().covers(&scope)))
}

/// Returns the allowed values of a dimension; NULL when unrestricted, none when nobody is authenticated.
///
/// They are in byte order.
///
/// # Arguments
/// - `dimension`: such as `site`
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT tokenauth.data_scope('site') AS nobody;
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.data_scope('site') AS sites, tokenauth.data_scope('team') AS teams;
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn data_scope(call: Call, dimension: Option<Text>) -> Result<Option<TextArray>, ErrorReport> {
    Caller::enter_restricted(call)?;
    let (Some(identity), Some(dimension)) = (state::current()?, dimension) else {
        return Ok(Some(TextArray::from_iter(std::iter::empty::<Text>())));
    };
    let dimension = named(&dimension);
    let allowed = identity.data_scopes().and_then(|scopes| scopes.allowed(&dimension));
    Ok(allowed.map(|values| values.iter().map(|value| Text::from(encoding::from_utf8(value))).collect()))
}

/// Tells whether the transaction is authenticated by a token that allows this value of a dimension.
///
/// # Arguments
/// - `dimension`: such as `site`
/// - `value`: such as a column of the table that a policy protects
///
/// # Errors
/// `25000` in a parallel worker.
///
/// # Access
/// `identity`
///
/// # Example
/// ```sql
/// SELECT verdict FROM tokenauth.sign_in(:'token');
/// SELECT tokenauth.in_data_scope('site', 'nyc') AS nyc, tokenauth.in_data_scope('site', 'ber') AS ber;
/// ```
#[pg_extern(schema = "tokenauth", stable, parallel_restricted)]
fn in_data_scope(call: Call, dimension: Option<Text>, value: Option<Text>) -> Result<bool, ErrorReport> {
    Caller::enter_restricted(call)?;
    let (Some(identity), Some(dimension), Some(value)) = (state::current()?, dimension, value) else {
        return Ok(false);
    };
    let (dimension, value) = (named(&dimension), encoding::utf8(value.as_bytes()));
    // Nothing that is allowed equals bytes that are no text.
    let allows = |scopes: &DataScopes| {
        value.as_deref().map_or(scopes.allowed(&dimension).is_none(), |value| scopes.allows(&dimension, value))
    };
    Ok(identity.data_scopes().is_none_or(allows))
}

/// The name of a dimension. Bytes that are no text name none, so they are one of the dimensions that `*` stands for.
fn named(dimension: &Text) -> String {
    encoding::utf8(dimension.as_bytes()).unwrap_or_else(|| DataScopes::OTHERS.to_owned())
}

fn of_owner<T>(part: impl FnOnce(&PrincipalName) -> T) -> Result<Option<T>, Error> {
    // Stored names always parse.
    let name = |identity: Identity| PrincipalName::parse(identity.owner().as_bytes()).ok();
    Ok(state::current()?.and_then(name).as_ref().map(part))
}
