//! Finds token texts inside other text by their checksums, and masks them.

use pgrx::prelude::*;

use crate::arguments::caller::Caller;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::types::text::Text;
use crate::token::embedded;

/// Tells whether a text contains a token.
///
/// That is one of our form, known or not, alive or not; imported ones have no form. NULL for NULL.
///
/// # Arguments
/// - `text`: any text
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// CREATE TABLE ticket (body text CHECK (NOT tokenauth.contains_token(body)));
/// INSERT INTO ticket VALUES ('no token in here');
/// SELECT tokenauth.contains_token('my key is ' || :'token');
/// ```
#[pg_extern(schema = "tokenauth", immutable, parallel_safe, strict)]
fn contains_token(call: Call, text: Text) -> Result<bool, ErrorReport> {
    Caller::enter_anywhere(call)?;
    Ok(embedded::contains(text.as_bytes()))
}

/// Returns the text with every token in it hidden except for its hint.
///
/// It keeps its length. NULL for NULL.
///
/// # Arguments
/// - `text`: any text
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT length(tokenauth.mask(:'token')) = length(:'token') AS same_length,
///        tokenauth.contains_token(tokenauth.mask(:'token')) AS found;
/// SELECT tokenauth.mask('no token in here');
/// ```
#[pg_extern(schema = "tokenauth", immutable, parallel_safe, strict)]
fn mask(call: Call, text: Text) -> Result<Text, ErrorReport> {
    Caller::enter_anywhere(call)?;
    let mut text = text.into_bytes();
    embedded::mask_in_place(&mut text);
    Ok(text.into_vec().into())
}
