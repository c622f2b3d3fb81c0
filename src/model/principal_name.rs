//! The name of a principal, `type:id`, as in `user:42`, `org:acme` or `service:collector-7`.
//!
//! A name keeps the bytes it came in: ids belong to the application and may be in any server encoding, and names are
//! only compared, never interpreted. Two names denote the same principal exactly when their bytes are equal; nothing is
//! trimmed, folded or normalised.

use std::{error, fmt, str};

use crate::pg::types::encoding;
use crate::pg::types::text::Text;

/// A well-formed name of a principal. Ordered by bytes, the order in which principals are locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalName {
    whole: Box<[u8]>,
    // Also part of `whole`; kept here as text, so that reading it needs no check and cannot fail.
    principal_type: Box<str>,
}

impl PrincipalName {
    /// The most characters of a type.
    pub const MAX_TYPE_LENGTH: usize = 32;

    /// What the ids that stand for erased principals begin with; a uuid follows.
    pub const ERASED: &str = "erased-";

    /// The most bytes of an id.
    pub const MAX_ID_LENGTH: usize = 512;

    /// Parses a name: split at the first colon, the type `[a-z][a-z0-9_]{0,31}`, the id any 1 to 512 bytes.
    ///
    /// # Errors
    /// A [`PrincipalNameError`] that tells which part is malformed.
    pub fn parse(text: &[u8]) -> Result<Self, PrincipalNameError> {
        let colon = text.iter().position(|&byte| byte == b':').ok_or(PrincipalNameError::NoColon)?;
        let (principal_type, id) = (&text[..colon], &text[colon + 1..]);
        if !Self::is_type(principal_type) {
            return Err(PrincipalNameError::Type);
        }
        if id.is_empty() || id.len() > Self::MAX_ID_LENGTH {
            return Err(PrincipalNameError::IdLength);
        }
        let principal_type = str::from_utf8(principal_type).map_err(|_| PrincipalNameError::Type)?;
        Ok(Self { whole: text.into(), principal_type: principal_type.into() })
    }

    /// The whole name, in the encoding it came in.
    pub fn as_bytes(&self) -> &[u8] {
        &self.whole
    }

    /// The part before the first colon, such as `user`.
    pub fn principal_type(&self) -> &str {
        &self.principal_type
    }

    /// The part after the first colon; it may contain further colons.
    pub fn id(&self) -> &[u8] {
        &self.whole[self.principal_type.len() + 1..]
    }

    /// Whether it stands for a principal that was erased.
    pub fn is_erased(&self) -> bool {
        Self::stands_for_erased(&self.whole)
    }

    /// Whether a name stands for a principal that was erased.
    pub fn stands_for_erased(name: &[u8]) -> bool {
        let id = name.splitn(2, |&byte| byte == b':').nth(1).and_then(|id| id.strip_prefix(Self::ERASED.as_bytes()));
        id.is_some_and(|id| id.len() == 36 && uuid::Uuid::try_parse_ascii(id).is_ok())
    }

    /// Whether a text can be the type of a principal.
    pub fn is_type(text: &[u8]) -> bool {
        text.len() <= Self::MAX_TYPE_LENGTH
            && text.first().is_some_and(u8::is_ascii_lowercase)
            && text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
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

/// Why a text does not name a principal. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalNameError {
    /// There is no colon.
    NoColon,
    /// The type is not `[a-z][a-z0-9_]{0,31}`.
    Type,
    /// The id is empty or longer than [`PrincipalName::MAX_ID_LENGTH`] bytes.
    IdLength,
}

impl fmt::Display for PrincipalNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColon => f.write_str("a principal is written \"type:id\""),
            Self::Type => write!(
                f,
                "the type of a principal has at most {} characters out of a to z, 0 to 9 \
                 and \"_\", the first one a letter",
                PrincipalName::MAX_TYPE_LENGTH
            ),
            Self::IdLength => write!(f, "the id of a principal has 1 to {} bytes", PrincipalName::MAX_ID_LENGTH),
        }
    }
}

impl error::Error for PrincipalNameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_split_at_its_first_colon() {
        let name = PrincipalName::parse(b"service:urn:collector:7").unwrap();
        assert_eq!(name.principal_type(), "service");
        assert_eq!(name.id(), b"urn:collector:7");
        assert_eq!(name.as_bytes(), b"service:urn:collector:7");
    }

    #[test]
    fn the_name_of_an_erased_principal_is_told_by_its_form() {
        let id = "0197f0d3-8d0c-4b4f-9f7e-2f1c53a8f1aa";
        assert!(PrincipalName::stands_for_erased(format!("user:erased-{id}").as_bytes()));
        for other in [
            "user:erased-",
            "user:erased",
            &format!("user:{id}"),
            &format!("user:x:erased-{id}"),
            &format!("user:erased-{id}0"),
        ] {
            assert!(!PrincipalName::stands_for_erased(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn an_id_is_any_bytes_and_kept_as_they_are() {
        for id in [&b"\xff\xfe"[..], b" 42 ", b":", b"\xe5\xb1\xb1", &[b'i'; 512]] {
            let name = PrincipalName::parse(&[b"user:", id].concat()).unwrap();
            assert_eq!(name.id(), id);
        }
    }

    #[test]
    fn each_malformed_part_is_named() {
        use PrincipalNameError::*;
        let long_type = [&[b't'; 33][..], b":1"].concat();
        let long_id = [b"user:", &[b'i'; 513][..]].concat();
        let refused: [(&[u8], PrincipalNameError); 12] = [
            (b"", NoColon),
            (b"user", NoColon),
            (b":42", Type),
            (b"User:42", Type),
            (b"7up:42", Type),
            (b"_user:42", Type),
            (b"us er:42", Type),
            (b" user:42", Type),
            (b"us\xff:42", Type),
            (&long_type, Type),
            (b"user:", IdLength),
            (&long_id, IdLength),
        ];
        for (text, error) in refused {
            assert_eq!(PrincipalName::parse(text), Err(error), "{}", text.escape_ascii());
        }
        assert!(PrincipalName::parse(&long_type[1..]).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_read_is_the_type_a_colon_and_the_id(text in "[a-z_:]{0,4}:[ -~]{0,4}") {
            if let Ok(name) = PrincipalName::parse(text.as_bytes()) {
                let joined = [name.principal_type().as_bytes(), b":", name.id()].concat();
                prop_assert_eq!(joined, text.as_bytes());
            }
        }
    }
}
