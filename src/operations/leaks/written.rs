//! A report of leaked tokens as it is written: the form of its JSON, and what is kept of it. Without server and SQL, so
//! that it is fuzzed by itself.

use serde::Deserialize;

use crate::token::pasted::masked;

/// What is kept of an address or a source, in bytes.
pub const MOST_KEPT: usize = 2048;

/// One token of a report, as GitHub's secret scanning sends it.
#[derive(Deserialize)]
pub struct Leaked {
    pub token: String,
    #[serde(default)]
    pub r#type: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
}

/// As much as is kept of a text that says where a token was found, and that may hold one as well.
pub fn kept(text: &str) -> String {
    let masked_whole = masked(text);
    let end = (0..=MOST_KEPT.min(text.len())).rev().find(|&end| masked_whole.is_char_boundary(end));
    // Where the cut ends a run of letters, there may be a token that was none while the run went on.
    masked(&masked_whole[..end.unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{NewToken, Prefix, embedded};

    #[test]
    fn no_cut_makes_a_token_of_what_was_none() {
        let token = NewToken::generate(&Prefix::parse(b"key_").unwrap()).unwrap();
        let address = format!("{}{}runs-on", "x/".repeat(2000), token.expose());
        for start in 0..address.len() {
            let kept = kept(&address[start..]);
            assert!(kept.len() <= MOST_KEPT && !embedded::contains(kept.as_bytes()), "{start}");
        }
    }

    #[test]
    fn what_is_kept_ends_with_a_character() {
        assert_eq!(kept(&"ä€".repeat(1000)).len(), MOST_KEPT - 1);
        assert_eq!(kept("short"), "short");
    }
}
