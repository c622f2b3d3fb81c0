//! `expiring` and `idle`: tokens that need a look before a client stops working, or an attacker starts.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token;
use crate::catalog::token::idle::IDLE;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, fields};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::TokensRows;
use crate::usage::seen::Recent;

/// Lists tokens that are alive and expire within this time, the first to expire first.
///
/// # Arguments
/// - `within`: from now on
///
/// # Errors
/// `22004` for NULL, `22023` for a negative interval.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT name, owner, status FROM tokenauth.expiring('100 days');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["views"])]
fn expiring(call: Call, within: Option<Interval>) -> Result<TokensRows, ErrorReport> {
    let owner = Caller::enter(call)?.act_as_owner();
    let within = arguments::duration("within", within)?;
    let now = Timestamp::now();
    let until = now.plus(&within).unwrap_or(Timestamp::INFINITY);
    Ok(TokensRows::new(&token::EXPIRING, move |_| fields![now, until], owner))
}

/// Lists tokens that are alive and were neither issued nor used within this time, the longest idle first.
///
/// # Arguments
/// - `within`: before now
///
/// # Errors
/// `22004` for NULL, `22023` for a negative interval.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT name, owner FROM tokenauth.idle('90 days');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["views"])]
fn idle(call: Call, within: Option<Interval>) -> Result<TokensRows, ErrorReport> {
    let owner = Caller::enter_to_look_back(call, "idle")?.act_as_owner();
    let within = arguments::duration("within", within)?;
    let since = Timestamp::now().minus(&within).unwrap_or(Timestamp::MINUS_INFINITY);
    let arguments = move |snapshot: &LatestSnapshot| {
        let [tokens, last_used, requests, denials] = Recent::new(snapshot).all();
        [Argument::of(since), tokens, last_used, requests, denials, Argument::of(Timestamp::now())]
    };
    Ok(TokensRows::new(&IDLE, arguments, owner))
}
