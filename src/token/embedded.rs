//! Finds and masks tokens inside other text: log lines, columns, messages.
//!
//! The last 49 characters of a run of base62 characters may be the end of a token; the checksum decides, and also tells
//! where the prefix starts. The functions work on bytes, which every PostgreSQL server encoding allows, since all of
//! them keep ASCII characters as ASCII bytes. They never allocate or fail, and take linear time on any text. They do
//! not find imported tokens, or a token directly followed by a base62 character.
//!
//! A derived token has no checksum. It is known by its form: what stands before its first dot, caveats that begin as
//! all do, and a signature of just so many characters.

use std::iter;
use std::ops::Range;

use super::derived::{self, EmbeddedChild};
use super::{BODY_LEN, MAX_PREFIX_LEN, checksum, hint, parts::TextParts, prefix};

/// The byte that replaces a hidden character.
pub(super) const MASK: u8 = b'*';

/// Whether `text` contains a token.
pub fn contains(text: &[u8]) -> bool {
    last_token(text).is_some()
}

/// The ranges of the tokens in `text`, prefixes included; the last one first.
///
/// The search goes from right to left, as tokens are parsed. A prefix may overlap the token before it; the 49
/// characters after a prefix never belong to two tokens.
pub fn find(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut unread = text;
    iter::from_fn(move || {
        let token = last_token(unread)?;
        unread = before_last_run(&text[..token.lookup_through]);
        Some(token.range)
    })
}

/// Overwrites, in every token, the characters its hint does not show, and returns the number of tokens.
///
/// The text keeps its length and contains no token afterwards: masking it again changes nothing.
pub fn mask_in_place(text: &mut [u8]) -> usize {
    let mut unread = text;
    let mut masked = 0;
    while let Some(token) = last_token(unread) {
        let hidden = token.hidden;
        unread[hidden.clone()].fill(MASK);
        // The visible characters before the mask now end a run, and may have been crafted to end another token:
        // continue right there.
        unread = &mut unread[..hidden.start];
        masked += 1;
    }
    masked
}

/// A token inside other text, or one that was derived from a token.
struct Found {
    range: Range<usize>,
    /// What its hint does not show.
    hidden: Range<usize>,
    /// The end of the run that its lookup is in.
    lookup_through: usize,
}

/// The last token in `text`. The end of `text` counts as the end of a run.
fn last_token(text: &[u8]) -> Option<Found> {
    let mut unread = text;
    while let Some(end) = end_of_last_long_run(unread) {
        let through_run = &unread[..end];
        if let Some(EmbeddedChild { start, lookup_end }) = derived::child_at_end_of(through_run) {
            let hidden = hint::end_of_derived(lookup_end)..end;
            return Some(Found { range: start..end, hidden, lookup_through: lookup_end });
        }
        if let Some(start) = start_of_token(through_run) {
            return Some(Found { range: start..end, hidden: hint::hidden(end), lookup_through: end });
        }
        unread = before_last_run(through_run);
    }
    None
}

/// Where the last run ends that is long enough to hold the part of a token after its prefix.
///
/// Prose has no such runs, and most of it is skipped: a byte that is not in a run rules out every end up to 49 bytes
/// after it. So the search looks at the 49 bytes before the current end, and continues at the first that is not base62.
fn end_of_last_long_run(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    loop {
        let start = end.checked_sub(BODY_LEN)?;
        match text[start..end].iter().position(|byte| !byte.is_ascii_alphanumeric()) {
            None => return Some(end),
            Some(gap) => end = start + gap,
        }
    }
}

/// Cuts off the run of base62 characters at the end of `text`.
fn before_last_run(text: &[u8]) -> &[u8] {
    let start = text.iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(0, |before| before + 1);
    &text[..start]
}

/// Where the token begins that ends at the end of `text`, if one does.
///
/// If the checksum fits several prefixes, the shortest is taken: the hidden characters are the same for all.
pub(super) fn start_of_token(text: &[u8]) -> Option<usize> {
    let TextParts { before, covered, checksum, .. } = TextParts::of(text).ok()?;
    let longest_prefix = before.iter().rev().take(MAX_PREFIX_LEN).take_while(|byte| prefix::is_word_byte(byte)).count();
    let earliest = before.len() - longest_prefix;
    checksum::starts(&covered[earliest..], checksum).map(|start| earliest + start).find(|start| *start <= before.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::derived::{Caveats, DerivedText};
    use crate::token::{MAX_LEN, NewToken, Prefix, Presented, vectors};

    fn token(prefix: &str) -> String {
        NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap().expose().to_owned()
    }

    fn found(text: &[u8]) -> Vec<&[u8]> {
        let mut found: Vec<_> = find(text).map(|range| &text[range]).collect();
        found.reverse();
        found
    }

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask_in_place(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn known_texts_are_masked_as_known() {
        for case in vectors::cases("embedded.json", "cases") {
            let mut text = vectors::bytes(&case["text_hex"]);
            let tokens: Vec<_> = case["tokens"].as_array().unwrap().iter().map(vectors::text).collect();
            assert_eq!(
                found(&text),
                tokens.iter().map(|token| token.as_bytes()).collect::<Vec<_>>(),
                "{}",
                case["what"]
            );
            assert_eq!(contains(&text), !tokens.is_empty());
            assert_eq!(mask_in_place(&mut text), tokens.len());
            assert_eq!(text, vectors::bytes(&case["masked_hex"]), "{}", case["what"]);
        }
    }

    #[test]
    fn masking_shows_what_a_hint_shows() {
        let token = token("ps_usr_");
        let hint = Presented::parse(token.as_bytes()).ok().unwrap().hint();
        assert_eq!(masked(&token), hint.replace('…', &"*".repeat(37)));
    }

    fn child(prefix: &str) -> (String, usize) {
        let (parent, caveats) = (token(prefix), Caveats { start: 7, end: 8, ..Caveats::default() });
        (DerivedText::derive(&Presented::parse(parent.as_bytes()).ok().unwrap(), &caveats).unwrap(), prefix.len() + 8)
    }

    #[test]
    fn a_child_is_found_and_of_it_only_what_its_parents_hint_begins_with_is_shown() {
        for prefix in ["", "ps_usr_", "01234567890123456789012345678901"] {
            let (child, shown) = child(prefix);
            let hidden = child[..shown].to_owned() + &"*".repeat(child.len() - shown);
            for (before, after) in [("", ""), ("Bearer ", "\n"), ("key=", "&a=b"), ("\"", "\""), ("é", ".")] {
                let text = format!("{before}{child}{after}");
                assert_eq!(found(text.as_bytes()), [child.as_bytes()]);
                assert_eq!(masked(&text), format!("{before}{hidden}{after}"));
                assert!(!contains(masked(&text).as_bytes()));
            }
            let (other, second) = (token("sk_"), format!("{child} {child}"));
            assert_eq!(found(second.as_bytes()).len(), 2);
            assert_eq!(found(format!("{other} {child} {other}").as_bytes()).len(), 3);
        }
    }

    #[test]
    fn a_web_token_and_a_child_that_was_cut_are_none() {
        let (child, _) = child("k_");
        let (public, rest) = child.split_once('.').unwrap();
        let (caveats, signature) = rest.split_once('.').unwrap();
        for text in [
            format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.{signature}"),
            format!("{public}.{caveats}.{}", &signature[1..]),
            format!("{public}.{caveats}.{signature}0"),
            format!("{public}.{signature}"),
            format!("{caveats}.{signature}"),
            format!("{}.{caveats}.{signature}", &public[4..]),
        ] {
            assert!(!contains(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_token_that_appears_by_masking_another_is_masked_too() {
        let outer = "0".repeat(41) + "AA";
        let outer = [outer.as_bytes(), &checksum::encode(checksum::of(outer.as_bytes()))].concat();
        let inner = [&outer[41..], b"AAA", &[b'7'; 32]].concat();
        let inner = [inner.as_slice(), &checksum::encode(checksum::of(&inner))].concat();
        let mut text = [&outer[..41], &inner].concat();
        assert_eq!(found(&text), [inner]);
        assert_eq!(mask_in_place(&mut text), 2);
        assert!(!contains(&text));
    }

    #[test]
    fn a_token_whose_prefix_reaches_into_another_hides_neither() {
        let first = iter::repeat_with(|| token("ps_")).find(|token| token.ends_with('s')).unwrap();
        let second = token("s_");
        let text = format!("{first}{}", &second[1..]);
        assert_eq!(found(text.as_bytes()), [first.as_bytes(), second.as_bytes()]);
        assert_eq!(masked(&text), format!("{}{}", masked(&first), &masked(&second)[1..]));
    }

    // Nothing is timed here: at these sizes, anything slower than linear would never finish.
    #[test]
    fn ten_megabytes_of_hostile_text_are_read_in_linear_time() {
        let run_of_49 = "0".repeat(BODY_LEN);
        let token = token("_-_-");
        for unit in ["0", "_", "0_", &format!("{run_of_49}_"), &format!("{}{run_of_49}-", "_".repeat(32))] {
            let mut text = unit.repeat((10 << 20) / unit.len()).into_bytes();
            assert_eq!(mask_in_place(&mut text), 0);
        }
        let signature = "a".repeat(86);
        for unit in [format!(".{signature}"), format!("{}.{signature}", "-".repeat(2000)), "eyJuIjo.".to_owned()] {
            let mut text = unit.repeat((10 << 20) / unit.len()).into_bytes();
            mask_in_place(&mut text);
        }
        let tokens = (10 << 20) / token.len();
        let mut text = token.repeat(tokens).into_bytes();
        assert_eq!((find(&text).count(), mask_in_place(&mut text)), (tokens, tokens));
    }

    proptest! {
        #[test]
        fn tokens_are_found_between_anything_that_is_not_of_a_word(
            prefixes in proptest::collection::vec("[A-Za-z0-9_-]{0,32}", 0..5),
            between in proptest::collection::vec(not_of_a_word(), 6),
        ) {
            let tokens: Vec<_> = prefixes.iter().map(|prefix| token(prefix)).collect();
            let mut text = between[0].clone();
            for (token, after) in tokens.iter().zip(&between[1..]) {
                text.extend_from_slice(token.as_bytes());
                text.extend_from_slice(after);
            }
            let expected: Vec<_> = tokens.iter().map(|token| token.as_bytes()).collect();
            prop_assert_eq!(found(&text), expected);
        }

        #[test]
        fn masking_hides_every_secret_and_nothing_else(before in ".*", after in "([^0-9A-Za-z].*)?") {
            let token = token("sk_");
            let text = format!("{before}{token}{after}");
            let end = before.len() + token.len();
            let expected = [&text[..end - 41], &"*".repeat(37), &text[end - 4..]].concat();
            prop_assert_eq!(masked(&text), expected);
        }

        #[test]
        fn masked_text_keeps_its_length_and_holds_no_token(
            pieces in proptest::collection::vec(".{0,3}|[A-Za-z0-9_-]{0,50}", 0..5),
        ) {
            let text = pieces.into_iter().map(|piece| piece + &token("a_")).collect::<String>();
            let once = masked(&text);
            prop_assert_eq!(once.len(), text.len());
            prop_assert!(!contains(once.as_bytes()));
            prop_assert_eq!(masked(&once), once);
        }

        #[test]
        fn the_last_long_run_is_the_one_that_reading_every_byte_finds(
            pieces in proptest::collection::vec("[a-z]{0,3}|[a-z]{45,55}|[ _é]{0,2}", 0..8),
        ) {
            let text = pieces.concat().into_bytes();
            let mut end = 0;
            let mut found = None;
            for run in text.split(|byte| !byte.is_ascii_alphanumeric()) {
                end += run.len();
                if run.len() >= BODY_LEN {
                    found = Some(end);
                }
                end += 1;
            }
            prop_assert_eq!(end_of_last_long_run(&text), found);
        }

        #[test]
        fn arbitrary_bytes_hold_no_token_and_stay_as_they_are(text: Vec<u8>) {
            let mut same = text.clone();
            prop_assert!(!contains(&text));
            prop_assert_eq!(mask_in_place(&mut same), 0);
            prop_assert_eq!(same, text);
        }

        #[test]
        fn a_token_alone_is_found_exactly_when_it_is_well_formed(text in "[A-Za-z0-9_-]{0,32}[A-Za-z0-9]{43}") {
            let text = [text.as_bytes(), &checksum::encode(checksum::of(text.as_bytes()))].concat();
            prop_assert!(text.len() <= MAX_LEN);
            prop_assert_eq!(contains(&text), Presented::parse(&text).is_ok());
        }
    }

    /// One or more bytes that cannot occur in a token, in no particular encoding.
    fn not_of_a_word() -> impl Strategy<Value = Vec<u8>> {
        let byte = any::<u8>().prop_filter("of a word", |byte| !prefix::is_word_byte(byte));
        proptest::collection::vec(byte, 1..20)
    }
}
