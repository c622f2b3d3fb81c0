//! `derive`: makes a child of a token, as its holder can without the database.

use pgrx::datum::Interval;
use pgrx::prelude::*;
use serde_json::Value;

use crate::arguments;
use crate::arguments::caller::Caller;
use crate::error::{ArgumentError, DeriveError, Error, ErrorReport};
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::{Timestamp, is_positive};
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::{Plaintext, PresentedText, Text};
use crate::token::Presented;
use crate::token::derived::{Caveats, DerivedText};

/// Derives from a token another one, which works for a short time and grants no more.
///
/// The same can be done offline, by whoever has the token's text. No table is read, so whether the kind of the token
/// lets it have children, and for how long they may work, is known only when the child is presented.
///
/// Added in 0.2.0.
///
/// # Arguments
/// - `token`: the text of the parent
/// - `expires_in`: for how long the child works, from now on
/// - `scopes`: what it grants at most; NULL: what the parent grants
/// - `data_scopes`: the values by dimension that it allows at most; NULL: those of the parent
/// - `networks`: from where it is accepted, if the parent is; NULL: from wherever the parent is
/// - `label`: what it is for, up to 64 printable ASCII characters
///
/// # Errors
/// `22004` for a NULL token or `expires_in`; `22023` for a text that is no token of ours, or is a child itself, for a
/// lifetime that is not positive, for malformed scopes, data scopes, networks or label, and for what makes a text of
/// more than 2,048 characters.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// UPDATE tokenauth.kind SET derivable = true WHERE name = 'api';
/// SELECT token AS parent FROM tokenauth.issue('api', 'user:42') \gset
/// SELECT tokenauth.derive(:'parent', scopes => '{devices:read}', label => 'export') AS child \gset
/// SELECT verdict, owner, scopes, derived ->> 'label' AS label FROM tokenauth.verify(:'child');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments, reason = "they are the arguments in SQL")]
fn derive(
    call: Call,
    token: Option<PresentedText>,
    expires_in: default!(Option<Interval>, "'5 mins'"),
    scopes: default!(Option<TextArray>, "NULL"),
    data_scopes: default!(Option<Jsonb>, "NULL"),
    networks: default!(Option<TextArray>, "NULL"),
    label: default!(Option<Text>, "NULL"),
) -> Result<Plaintext, ErrorReport> {
    Caller::enter(call)?;
    let token = arguments::given("token", token)?;
    let text = token.bytes().unwrap_or_default();
    let parent = Presented::parse(text).map_err(|_| {
        if DerivedText::parse(text).is_ok() { DeriveError::FromChild } else { DeriveError::FromNothing }
    })?;
    let (start, end) = lifetime(&arguments::given("expires_in", expires_in)?)?;
    let caveats = Caveats {
        start,
        end,
        scopes: scopes.map(|list| scopes_of(&list)).transpose()?,
        data_scopes: data_scopes.map(|document| dimensions_of(&document)).transpose()?,
        networks: networks.map(|list| networks_of(&list)).transpose()?,
        label: label.map(label_of).transpose()?,
    };
    // Each was judged before: what is left is the length of the whole.
    let child = DerivedText::derive(&parent, &caveats).ok_or(DeriveError::TooLong)?;
    Ok(Plaintext::from(child.into_bytes()))
}

/// The begin and the end of what begins now, in seconds since 1970.
fn lifetime(length: &Interval) -> Result<(i64, i64), Error> {
    let start = Timestamp::now().unix_seconds();
    if !is_positive(length) {
        return Err(DeriveError::Lifetime.into());
    }
    let end = Timestamp::of_unix_seconds(start).plus(length).ok_or(DeriveError::Lifetime)?;
    // A part of a second counts as one.
    let whole = end.unix_seconds();
    let end = if Timestamp::of_unix_seconds(whole) < end { whole + 1 } else { whole };
    if start < end && end <= Caveats::LATEST { Ok((start, end)) } else { Err(DeriveError::Lifetime.into()) }
}

fn scopes_of(list: &TextArray) -> Result<Vec<String>, Error> {
    Ok(arguments::kept_scopes("scopes", list)?.iter().map(str::to_owned).collect())
}

fn networks_of(list: &TextArray) -> Result<Vec<String>, Error> {
    let mut networks: Vec<String> =
        arguments::networks(list)?.stored().map(|network| String::from_utf8_lossy(network).into_owned()).collect();
    if networks.is_empty() {
        return Err(ArgumentError::NoNetworks.into());
    }
    networks.sort_unstable();
    networks.dedup();
    Ok(networks)
}

fn dimensions_of(document: &Jsonb) -> Result<Vec<(String, Vec<String>)>, Error> {
    let Value::Object(dimensions) = arguments::data_scopes(document)?.to_value() else {
        return Err(DeriveError::DataScopes.into());
    };
    let values = |values: Value| match values {
        Value::Array(values) => values.into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let dimensions: Vec<(String, Vec<String>)> =
        dimensions.into_iter().map(|(dimension, list)| (dimension, values(list))).collect();
    let is_written = |text: &String| Caveats::is_plain(text);
    let are_written =
        dimensions.iter().all(|(dimension, values)| is_written(dimension) && values.iter().all(is_written));
    if are_written && !dimensions.is_empty() { Ok(dimensions) } else { Err(DeriveError::DataScopes.into()) }
}

fn label_of(label: Text) -> Result<String, Error> {
    let readable = encoding::utf8(label.as_bytes()).filter(|label| Caveats::is_label(label));
    let readable = readable.ok_or(DeriveError::Label)?;
    arguments::refuse_tokens("label", [readable.as_bytes()].into_iter())?;
    Ok(readable)
}
