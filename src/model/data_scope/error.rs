//! Why a JSON value can fail to be a data scope.
//!
//! An error gives the rule and the position and never repeats a name or a value: data scopes may be confidential, and
//! errors end up in logs.

use std::{error, fmt};

use super::DataScopes;

/// Why a JSON value is not a data scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataScopeError {
    /// The value is not an object.
    NotAnObject,
    /// More than [`DataScopes::MAX_DIMENSIONS`] dimensions.
    TooManyDimensions,
    /// The name of a dimension is empty or longer than [`DataScopes::MAX_LENGTH`] bytes.
    DimensionLength,
    /// The value of a dimension is not an array.
    NotAnArray,
    /// More than [`DataScopes::MAX_VALUES`] values.
    TooManyValues,
    /// An element of an array is not a string.
    NotAString {
        /// The position of the element in its array, counted from 1.
        index: usize,
    },
    /// A value is longer than [`DataScopes::MAX_LENGTH`] bytes.
    ValueTooLong {
        /// The position of the value in its array, counted from 1.
        index: usize,
    },
}

impl fmt::Display for DataScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = DataScopes::MAX_LENGTH;
        match self {
            Self::NotAnObject => f.write_str("data scopes are a JSON object"),
            Self::TooManyDimensions => write!(f, "data scopes name at most {} dimensions", DataScopes::MAX_DIMENSIONS),
            Self::DimensionLength => write!(f, "the name of a dimension has 1 to {bytes} bytes"),
            Self::NotAnArray => f.write_str("the allowed values of a dimension are a JSON array of strings"),
            Self::TooManyValues => write!(f, "data scopes hold at most {} values", DataScopes::MAX_VALUES),
            Self::NotAString { index } => {
                write!(f, "element {index} of a dimension's array is not a string")
            }
            Self::ValueTooLong { index } => {
                write!(f, "element {index} of a dimension's array has more than {bytes} bytes")
            }
        }
    }
}

impl error::Error for DataScopeError {}
