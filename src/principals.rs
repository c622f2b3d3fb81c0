//! Principals: whoever can own tokens or act.

pub mod binding;
mod deactivate;
mod drop;
mod member;
mod put;

use crate::model::principal_name::{PrincipalName, PrincipalNameError};
pub use deactivate::kill_revocable;

use crate::error::ArgumentError;
use crate::pg::types::encoding;
use crate::pg::types::text::Text;

impl PrincipalName {
    /// Parses the argument or column called `what`.
    ///
    /// # Errors
    /// 22004 for NULL, 22023 when the text does not name a principal.
    pub fn given(what: &'static str, text: Option<Text>) -> Result<Self, ArgumentError> {
        let text = text.ok_or(ArgumentError::Absent(what))?;
        let name = PrincipalName::parse(text.as_bytes()).map_err(|why| ArgumentError::Principal { what, why })?;
        // In UTF-8, as all limits: a dump can then be restored into such a database.
        if encoding::is_longer(name.id(), PrincipalName::MAX_ID_LENGTH) {
            return Err(ArgumentError::Principal { what, why: PrincipalNameError::IdLength });
        }
        Ok(name)
    }

    /// Whether a text can be the type of a principal.
    pub fn is_type(text: &[u8]) -> bool {
        crate::model::principal_name::is_type(text)
    }

    /// The name as a value for SQL.
    pub fn text(&self) -> Text {
        self.as_bytes().to_vec().into()
    }

    /// The name as messages may show it.
    pub fn shown(&self) -> String {
        encoding::shown(self.as_bytes())
    }
}
