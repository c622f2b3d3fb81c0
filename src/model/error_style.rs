//! The shapes an error body can have; a kind's policy selects one.
//!
//! A style decides how a refusal is worded and how much it says, never whether a request is refused.

use std::{error, fmt, str};

/// The shape of the body of an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorStyle {
    /// `{error, message, correlationId}`, one error for each status.
    #[default]
    Uniform,
    /// `{error_code, message, correlationId}` with the code of the verdict, and `reason` where there is one to give.
    Coded,
    /// Problem details of RFC 9457: `{type, title, status, detail, correlationId}`.
    Problem,
}

impl ErrorStyle {
    /// Every style.
    pub const ALL: [Self; 3] = [Self::Uniform, Self::Coded, Self::Problem];

    /// The name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Coded => "coded",
            Self::Problem => "problem",
        }
    }

    /// The media type of a body of this shape.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Uniform | Self::Coded => "application/json",
            Self::Problem => "application/problem+json",
        }
    }
}

impl str::FromStr for ErrorStyle {
    type Err = UnknownErrorStyle;

    fn from_str(name: &str) -> Result<Self, UnknownErrorStyle> {
        Self::ALL.into_iter().find(|style| style.as_str() == name).ok_or(UnknownErrorStyle)
    }
}

/// A text that names no error style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownErrorStyle;

impl fmt::Display for UnknownErrorStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error style is \"uniform\", \"coded\" or \"problem\"")
    }
}

impl error::Error for UnknownErrorStyle {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_is_read_back_from_its_name() {
        for style in ErrorStyle::ALL {
            assert_eq!(style.as_str().parse(), Ok(style));
        }
        for name in ["", "Uniform", "coded "] {
            assert_eq!(name.parse::<ErrorStyle>(), Err(UnknownErrorStyle));
        }
    }
}
