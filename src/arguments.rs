//! Arguments of SQL functions, parsed once, where they come in.

pub mod caller;

use pgrx::Uuid;
use pgrx::datum::Interval;

use crate::error::Error;
use crate::model::data_scope::DataScopes;
use crate::model::network::Network;
use crate::model::scope::{Scopes, ScopesError};
use crate::pg::types::array::{TextArray, Unlisted};
use crate::pg::types::clock::is_negative;
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// Longest name, in bytes of UTF-8: what a database of another encoding holds can be restored into one in UTF-8.
pub const MOST_NAME: usize = 255;
/// Longest description, reason or metadata document, in bytes of UTF-8.
pub const MOST_PROSE: usize = 8192;
/// The most elements of a list.
const MOST_ELEMENTS: usize = 256;
/// Longest data scopes in bytes: parsed, which takes many times the memory, longer ones have too much of something.
const MOST_DATA_SCOPES: usize = 1 << 22;

/// A required value; raises 22004 when it is NULL.
pub fn given<T>(what: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::Absent(what))
}

/// A required token id; raises 22004 when it is NULL.
pub fn token_id(id: Option<Uuid>) -> Result<Uuid, Error> {
    given("id", id)
}

/// Checks the length of a text, which is otherwise kept as it is: whoever prints it must quote it.
pub fn bounded(what: &'static str, text: Option<Text>, most: usize) -> Result<Option<Text>, Error> {
    match text {
        Some(text) if encoding::is_longer(text.as_bytes(), most) => Err(Error::TooLong { what, most }),
        text => Ok(text),
    }
}

/// Checks a JSON object of the application's own.
pub fn metadata(document: Option<Jsonb>) -> Result<Option<Jsonb>, Error> {
    match document {
        Some(document) if encoding::is_longer(document.as_bytes(), MOST_PROSE) => {
            Err(Error::TooLong { what: "metadata", most: MOST_PROSE })
        }
        Some(document) if !document.is_object() => Err(Error::Metadata),
        document => Ok(document),
    }
}

/// A required length of time that is not negative.
pub fn duration(what: &'static str, length: Option<Interval>) -> Result<Interval, Error> {
    let length = given(what, length)?;
    if is_negative(&length) { Err(Error::Negative(what)) } else { Ok(length) }
}

/// The elements of an array, none of which may be NULL.
pub fn elements<'a>(of: &'static str, array: &'a TextArray) -> Result<Vec<&'a [u8]>, Error> {
    let elements = array.elements().map_err(|unlisted| match unlisted {
        Unlisted::Nested => Error::Nested(of),
        Unlisted::TooMany => Error::TooManyElements { of, most: MOST_ELEMENTS },
    })?;
    (1..)
        .zip(elements)
        .map(|(index, element)| element.as_ref().map(Text::as_bytes).ok_or(Error::AbsentElement { of, index }))
        .collect()
}

/// Parses a list of scopes.
pub fn scopes(of: &'static str, array: &TextArray) -> Result<Scopes, Error> {
    if array.elements() == Err(Unlisted::TooMany) {
        return Err(Error::Scopes { of, why: ScopesError::TooMany });
    }
    Scopes::parse(elements(of, array)?).map_err(|why| Error::Scopes { of, why })
}

/// Parses data scopes.
pub fn data_scopes(document: &Jsonb) -> Result<DataScopes, Error> {
    if document.len() > MOST_DATA_SCOPES {
        return Err(Error::TooLong { what: "data_scopes", most: MOST_DATA_SCOPES });
    }
    DataScopes::parse(&document.value()).map_err(Error::DataScopes)
}

/// Parses a list of networks and returns each in its one spelling.
pub fn networks(array: &TextArray) -> Result<TextArray, Error> {
    let elements = elements("networks", array)?;
    if elements.len() > MOST_ELEMENTS {
        return Err(Error::TooManyElements { of: "networks", most: MOST_ELEMENTS });
    }
    let networks: Result<Vec<String>, Error> = (1..)
        .zip(elements)
        .map(|(index, text)| {
            Network::parse(text).map(|network| network.to_string()).map_err(|why| Error::Network { index, why })
        })
        .collect();
    Ok(networks?.iter().map(String::as_str).collect())
}
