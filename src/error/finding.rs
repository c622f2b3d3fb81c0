//! What `doctor()` finds: told as errors are, but nobody is refused anything.

use crate::pg::types::encoding;
use crate::pg::types::text::Text;

/// One thing that is not as it should be.
pub struct Finding {
    /// The area that was examined.
    pub area: &'static str,
    /// The object concerned.
    pub object: Text,
    /// What is wrong with it.
    pub finding: Text,
    /// What to do about it.
    pub hint: Text,
}

impl Finding {
    /// A finding from texts in UTF-8.
    pub fn new(area: &'static str, object: &str, finding: &str, hint: &str) -> Self {
        let text = |text| Text::from(encoding::from_utf8(text));
        Finding { area, object: text(object), finding: text(finding), hint: text(hint) }
    }
}
