//! Arguments of SQL functions, parsed once, where they come in.
//!
//! `docs/generator` reads here what those mean that mean the same everywhere.
//!
//! # Arguments
//! - `actor`: the principal on whose behalf the application asks; `'session'`: the identity of the transaction or,
//!   without one, the application itself
//! - `client`: the client's address, with or without port, for tokens that are bound to networks
//! - `data_scopes`: the allowed values by dimension, such as `{"site": ["nyc"]}`; NULL: those of the owner
//! - `description`: for people
//! - `digest`: the SHA-256 of the whole text; of an imported token the digest that it was imported by
//! - `expires_at`: when it stops working; not together with `expires_in`
//! - `expires_in`: for how long it works, from now on; NULL: as its kind says
//! - `header`: the only header to read, such as `X-API-Key`
//! - `headers`: a JSON object; the case of names does not matter
//! - `id`: the id of the token
//! - `kind`: the kind of the token
//! - `lookup`: the prefix of the token and the 11 characters after it; NULL for an imported token
//! - `metadata`: a JSON object of the application's own
//! - `name`: for people
//! - `networks`: from where it is accepted, such as `{10.0.0.0/8}`; NULL: from anywhere
//! - `not_before`: when it starts working; NULL: at once
//! - `owner`: the principal that it acts for
//! - `principal`: written `type:id`, such as `user:42`
//! - `reason`: why, for the events and for whoever looks at the token
//! - `require`: scopes that must all be granted, patterns in full
//! - `scopes`: what it grants; NULL: all that the owner holds now

#![forbid(unsafe_code)]

pub mod caller;

use pgrx::Uuid;
use pgrx::datum::Interval;

use crate::error::ArgumentError;
use crate::model::data_scope::DataScopes;
use crate::model::network::Network;
use crate::model::principal_name::{PrincipalName, PrincipalNameError};
use crate::model::scope::{Scopes, ScopesError};
use crate::pg::types::array::{TextArray, Unlisted};
use crate::pg::types::clock::is_negative;
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::token::pasted;

/// Longest name, in bytes of UTF-8: what a database of another encoding holds can be restored into one in UTF-8.
pub const MOST_NAME: usize = 255;
/// Longest description, reason or metadata document, in bytes of UTF-8.
pub const MOST_PROSE: usize = 8192;
/// The most elements of a list.
const MOST_ELEMENTS: usize = 256;
/// Longest data scopes in bytes: parsed, which takes many times the memory, longer ones have too much of something.
const MOST_DATA_SCOPES: usize = 1 << 22;

/// A required value; raises 22004 when it is NULL.
pub fn given<T>(what: &'static str, value: Option<T>) -> Result<T, ArgumentError> {
    value.ok_or(ArgumentError::Absent(what))
}

/// A required token id; raises 22004 when it is NULL.
pub fn token_id(id: Option<Uuid>) -> Result<Uuid, ArgumentError> {
    given("id", id)
}

impl PrincipalName {
    /// Parses the argument or column called `what`.
    ///
    /// # Errors
    /// 22004 for NULL, 22023 when the text does not name a principal.
    pub fn given(what: &'static str, text: Option<Text>) -> Result<Self, ArgumentError> {
        let text = given(what, text)?;
        let name = PrincipalName::parse(text.as_bytes()).map_err(|why| ArgumentError::Principal { what, why })?;
        // In UTF-8, as all limits: a dump can then be restored into such a database.
        if encoding::is_longer(name.id(), PrincipalName::MAX_ID_LENGTH) {
            return Err(ArgumentError::Principal { what, why: PrincipalNameError::IdLength });
        }
        Ok(name)
    }
}

/// Checks a text for people, which is otherwise kept as it is: whoever prints it must quote it.
///
/// # Errors
/// 22023 when it is too long, or somebody has pasted a token into it, which every list and event would show.
pub fn for_people(what: &'static str, text: Option<Text>, most: usize) -> Result<Option<Text>, ArgumentError> {
    match bounded(what, text, most)? {
        Some(text) => refuse_tokens(what, [text.as_bytes()].into_iter()).map(|()| Some(text)),
        None => Ok(None),
    }
}

/// Checks the length of a text that says why something dies, or that an application's table has, and masks tokens in
/// it: whoever has found one somewhere may well paste it, and what is to die must not live for that.
///
/// # Errors
/// 22023 when it is too long.
pub fn masked(what: &'static str, text: Option<Text>, most: usize) -> Result<Option<Text>, ArgumentError> {
    Ok(bounded(what, text, most)?.map(Text::masked))
}

/// Checks the length of a text.
pub fn bounded(what: &'static str, text: Option<Text>, most: usize) -> Result<Option<Text>, ArgumentError> {
    match text {
        Some(text) if encoding::is_longer(text.as_bytes(), most) => Err(ArgumentError::TooLong { what, most }),
        text => Ok(text),
    }
}

/// Checks a JSON object of the application's own.
pub fn metadata(document: Option<Jsonb>) -> Result<Option<Jsonb>, ArgumentError> {
    match document {
        Some(document) if encoding::is_longer(document.as_bytes(), MOST_PROSE) => {
            Err(ArgumentError::TooLong { what: "metadata", most: MOST_PROSE })
        }
        Some(document) if !document.is_object() => Err(ArgumentError::Metadata),
        Some(document) => refuse_tokens("metadata", [document.as_bytes()].into_iter()).map(|()| Some(document)),
        None => Ok(None),
    }
}

/// A required length of time that is not negative.
pub fn duration(what: &'static str, length: Option<Interval>) -> Result<Interval, ArgumentError> {
    let length = given(what, length)?;
    if is_negative(&length) { Err(ArgumentError::Negative(what)) } else { Ok(length) }
}

/// The elements of an array, none of which may be NULL.
pub fn elements<'a>(of: &'static str, array: &'a TextArray) -> Result<Vec<&'a [u8]>, ArgumentError> {
    let elements = array.elements().map_err(|unlisted| match unlisted {
        Unlisted::Nested => ArgumentError::Nested(of),
        Unlisted::TooMany => ArgumentError::TooManyElements { of, most: MOST_ELEMENTS },
    })?;
    (1..)
        .zip(elements)
        .map(|(index, element)| element.as_ref().map(Text::as_bytes).ok_or(ArgumentError::AbsentElement { of, index }))
        .collect()
}

/// Parses a list of scopes that is kept.
///
/// # Errors
/// As [`scopes`]; 22023 too when somebody has pasted a token into it, which every list and event would show.
pub fn kept_scopes(of: &'static str, array: &TextArray) -> Result<Scopes, ArgumentError> {
    let scopes = scopes(of, array)?;
    refuse_tokens(of, scopes.iter().map(str::as_bytes))?;
    Ok(scopes)
}

/// Checks that none of these texts has a token in it.
///
/// # Errors
/// 22023 when one has.
pub fn refuse_tokens<'a>(of: &'static str, mut texts: impl Iterator<Item = &'a [u8]>) -> Result<(), ArgumentError> {
    if texts.any(pasted::contains) { Err(ArgumentError::HoldsToken(of)) } else { Ok(()) }
}

/// Parses a list of scopes.
///
/// # Errors
/// 22004 for a NULL in it, 22023 when it is malformed.
pub fn scopes(of: &'static str, array: &TextArray) -> Result<Scopes, ArgumentError> {
    if array.elements() == Err(Unlisted::TooMany) {
        return Err(ArgumentError::Scopes { of, why: ScopesError::TooMany });
    }
    Scopes::parse(elements(of, array)?).map_err(|why| ArgumentError::Scopes { of, why })
}

/// Parses a list of scopes that an application's table has; one with a token in it is left out: whoever is to be
/// deactivated must be, whatever else the row says.
///
/// # Errors
/// As [`scopes`].
pub fn scopes_without_tokens(of: &'static str, array: &TextArray) -> Result<TextArray, ArgumentError> {
    Ok(scopes(of, array)?.iter().filter(|scope| !pasted::contains(scope.as_bytes())).collect())
}

/// As [`data_scopes`], for those that an application's table has; with a token in them they allow nothing.
///
/// # Errors
/// 22023 when they are malformed or too long.
pub fn data_scopes_without_tokens(document: &Jsonb) -> Result<DataScopes, ArgumentError> {
    match data_scopes(document) {
        Err(ArgumentError::HoldsToken(_)) => Ok(DataScopes::nothing()),
        parsed => parsed,
    }
}

/// Parses data scopes.
///
/// # Errors
/// 22023 when they are malformed, too long, or somebody has pasted a token into them.
pub fn data_scopes(document: &Jsonb) -> Result<DataScopes, ArgumentError> {
    if document.len() > MOST_DATA_SCOPES {
        return Err(ArgumentError::TooLong { what: "data_scopes", most: MOST_DATA_SCOPES });
    }
    refuse_tokens("data_scopes", [document.as_bytes()].into_iter())?;
    DataScopes::parse(&document.value()).map_err(ArgumentError::DataScopes)
}

/// Parses a list of networks and returns each in its one spelling.
pub fn networks(array: &TextArray) -> Result<TextArray, ArgumentError> {
    let elements = elements("networks", array)?;
    if elements.len() > MOST_ELEMENTS {
        return Err(ArgumentError::TooManyElements { of: "networks", most: MOST_ELEMENTS });
    }
    let networks: Result<Vec<String>, ArgumentError> = (1..)
        .zip(elements)
        .map(|(index, text)| {
            Network::parse(text).map(|network| network.to_string()).map_err(|why| ArgumentError::Network { index, why })
        })
        .collect();
    Ok(networks?.iter().map(String::as_str).collect())
}
