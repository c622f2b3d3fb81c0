//! Finds token texts inside other text by their checksums, and masks them.

use pgrx::prelude::*;

use crate::arguments::caller::Caller;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::types::text::Text;
use crate::token::embedded;

/// Whether the text contains a token: one of our form, known or not, alive or not. Imported ones have no form.
#[pg_extern(schema = "tokenauth", immutable, parallel_safe, strict)]
fn contains_token(call: Call, text: Text) -> Result<bool, ErrorReport> {
    Caller::enter_anywhere(call)?;
    Ok(embedded::contains(text.as_bytes()))
}

/// The text with every token in it masked except for its hint, in the same length.
#[pg_extern(schema = "tokenauth", immutable, parallel_safe, strict)]
fn mask(call: Call, text: Text) -> Result<Text, ErrorReport> {
    Caller::enter_anywhere(call)?;
    let mut bytes = text.into_bytes();
    embedded::mask_in_place(&mut bytes);
    Ok(bytes.into_vec().into())
}
