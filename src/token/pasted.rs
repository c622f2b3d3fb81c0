//! Finds and masks tokens in texts that somebody has typed or pasted, and that others will read: names, reasons,
//! metadata, and what messages repeat of them.
//!
//! Those that [`embedded`] finds, and also one that further letters or digits follow: whoever reads it needs only to
//! leave out a letter. That a long word is taken for one by chance costs nobody more than another name for something.

use super::{embedded, remains};

/// Whether there is a token in a text, whatever follows it.
pub fn contains(text: &[u8]) -> bool {
    embedded::contains(text) || remains::contains_longer(text)
}

/// Overwrites, in every token, the characters its hint does not show. The text keeps its length.
pub fn mask_in_place(text: &mut [u8]) {
    embedded::mask_in_place(text);
    remains::mask_longer_in_place(text);
}

/// The text with every token in it masked except for its hint, for text on its way into a message.
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    mask_in_place(&mut bytes);
    // Only ASCII bytes were overwritten, with ASCII.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::derived::{Caveats, DerivedText};
    use crate::token::{NewToken, Prefix, Presented};

    fn token(prefix: &str) -> String {
        NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap().expose().to_owned()
    }

    fn child(prefix: &str) -> String {
        let (parent, caveats) = (token(prefix), Caveats { start: 7, end: 8, ..Caveats::default() });
        DerivedText::derive(&Presented::parse(parent.as_bytes()).ok().unwrap(), &caveats).unwrap()
    }

    #[test]
    fn what_is_short_of_a_token_is_none() {
        for prefix in ["", "ps_usr_"] {
            for text in [token(prefix), child(prefix)] {
                assert!(!contains(&text.as_bytes()[..text.len() - 1]));
                assert!(!contains(format!("{}.{}", &text[..30], &text[30..]).as_bytes()));
            }
        }
        assert!(!contains("0".repeat(1000).as_bytes()));
        assert!(!contains(b"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"));
    }

    proptest! {
        #[test]
        fn a_token_is_found_and_masked_whatever_follows(
            prefix in "([a-z]{1,8}_)?", before in "([^0-9A-Za-z]|[^0-9A-Za-z].*[^0-9A-Za-z])?",
            after in "[0-9A-Za-z]{0,60}([^0-9A-Za-z].*)?", of_child: bool,
        ) {
            let shown = prefix.len() + 8;
            let text = if of_child { child(&prefix) } else { token(&prefix) };
            let typed = format!("{before}{text}{after}");
            prop_assert!(contains(typed.as_bytes()));
            let mut masked = typed.clone().into_bytes();
            mask_in_place(&mut masked);
            prop_assert_eq!(masked.len(), typed.len());
            prop_assert!(!contains(&masked));
            let masked = String::from_utf8_lossy(&masked).into_owned();
            prop_assert!(!masked.contains(&text[shown + 4..text.len() - 6]), "{}", masked);
            let rest = after.find(|end: char| !end.is_ascii_alphanumeric()).map_or("", |end| &after[end..]);
            prop_assert!(masked.ends_with(rest), "{}", masked);
        }
    }
}
