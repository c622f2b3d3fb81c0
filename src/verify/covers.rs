//! `covers`: the wildcard rule for handlers that hold the scopes of a verification.

use pgrx::prelude::*;

use crate::arguments;
use crate::arguments::caller::Caller;
use crate::error::{ArgumentError, ErrorReport};
use crate::model::scope::Scope;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;

/// Tells whether a list of scopes grants all of this scope or pattern.
///
/// The rule by which `verify` judges `require`, for handlers, constraints and indexes. NULL for NULL.
///
/// # Arguments
/// - `scopes`: a list such as that of a verification
/// - `scope`: what must be granted
///
/// # Errors
/// `22023` for a malformed scope, on either side; `22004` for a NULL in the list.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT tokenauth.covers('{devices:*}', 'devices:read') AS one,
///        tokenauth.covers('{devices:read}', 'devices:*') AS all;
/// ```
#[pg_extern(schema = "tokenauth", immutable, strict, parallel_safe)]
fn covers(call: Call, scopes: TextArray, scope: Text) -> Result<bool, ErrorReport> {
    Caller::enter_anywhere(call)?;
    let granted = arguments::scopes("scopes", &scopes)?;
    let scope = Scope::parse(scope.as_bytes()).map_err(|why| ArgumentError::Scope { of: "scope", why })?;
    Ok(granted.covers(&scope))
}
