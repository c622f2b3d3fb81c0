//! Finds what remains of tokens in the server's messages that a checksum cannot vouch for: tokens of which a message
//! shows only a part, and tokens that run on into other text.
//!
//! PostgreSQL cuts a value at its end or front and says so by `...`; it cuts a name after 63 bytes, and in the detail
//! of a message a statement or a line of a document, without a word. What is left at such a cut and is long enough to
//! tell much of a secret is hidden, token or not: it is the price that digests and other long words are hidden there as
//! well. Like all that finds tokens in text, this never allocates or fails, and takes linear time.

use std::ops::Range;

use super::derived::{self, SIGNATURE_LEN};
use super::embedded::{MASK, start_of_token};
use super::{BODY_LEN, MAX_PREFIX_LEN, base62, hint, prefix};

/// The least number of characters that are hidden at a cut. Of what is shorter, and so left, at most 23 are of the
/// secret's 32; and where it is that many, the text shows nothing of the lookup.
const LEAST: usize = 24;

/// How PostgreSQL marks a cut.
const ELLIPSIS: &[u8] = b"...";

/// After how many bytes PostgreSQL cuts a name.
const NAME: usize = 63;

/// Where a text may have been cut without a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    /// Not at the begin or end of a line.
    Whole,
    /// There as well: a detail may quote the begin of a statement, or a part of a line of a document.
    Cut,
}

/// Overwrites what remains of tokens and returns the number of places. The text keeps its length.
pub fn mask_in_place(text: &mut [u8], lines: Lines) -> usize {
    let mut from = 0;
    let mut masked = 0;
    while let Some(remains) = next(text, from, lines) {
        from = remains.end;
        text[remains].fill(MASK);
        masked += 1;
    }
    masked
}

/// A name with what remains of tokens hidden: the server cuts what is longer.
pub fn masked(name: &str) -> String {
    let mut bytes = name.as_bytes().to_vec();
    mask_in_place(&mut bytes, if name.len() < NAME { Lines::Whole } else { Lines::Cut });
    // Only ASCII bytes were overwritten, with ASCII.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether there may be a token in the text, or anything of one that is long enough to be hidden.
pub fn are_possible(text: &[u8]) -> bool {
    long_run(text, 0).is_some()
}

/// Whether there is a token in the text that further letters or digits follow.
pub fn contains_longer(text: &[u8]) -> bool {
    next_longer(text, 0).is_some()
}

/// Overwrites what is hidden of such tokens.
pub fn mask_longer_in_place(text: &mut [u8]) {
    let mut from = 0;
    while let Some(hidden) = next_longer(text, from) {
        from = hidden.end;
        text[hidden].fill(MASK);
    }
}

/// The hidden characters of the first such token from this position on.
fn next_longer(text: &[u8], mut from: usize) -> Option<Range<usize>> {
    loop {
        let run = long_run(text, from)?;
        if let Some(hidden) = runs_on(text, &run) {
            return Some(hidden);
        }
        from = run.end;
    }
}

/// Whether anything remains in the text of tokens that were not cut.
pub fn contains(text: &[u8]) -> bool {
    next(text, 0, Lines::Whole).is_some()
}

/// The first range to hide from this position on.
fn next(text: &[u8], mut from: usize, lines: Lines) -> Option<Range<usize>> {
    loop {
        let run = long_run(text, from)?;
        if begins_at_cut(text, run.start, lines) || ends_at_cut(text, run.end, lines) {
            return Some(run);
        }
        if let Some(hidden) = runs_on(text, &run) {
            return Some(hidden);
        }
        from = run.end;
    }
}

/// The first run of base62 characters of that length.
///
/// Hardly anything that is logged has one, and less than half of it is looked at: a few bytes at once, at places so
/// close together that a run of that length has all bytes of one of them.
fn long_run(text: &[u8], from: usize) -> Option<Range<usize>> {
    const AT_ONCE: usize = 8;
    const BETWEEN: usize = LEAST - AT_ONCE;
    // No run that begins before here is long.
    let mut begin = from;
    loop {
        let at = begin + BETWEEN;
        let bytes: &[u8; AT_ONCE] = text.get(at..)?.first_chunk()?;
        if !base62::is_base62(bytes) {
            begin = at + 1;
            continue;
        }
        let before = text[begin..at].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let after = text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if before + after >= LEAST {
            return Some(at - before..at + after);
        }
        begin = at + after + 1;
    }
}

/// Whether there is a cut directly before a run, or before what may be left of a prefix.
fn begins_at_cut(text: &[u8], start: usize, lines: Lines) -> bool {
    let before = &text[..start];
    let prefix = before.iter().rev().take(MAX_PREFIX_LEN).take_while(|byte| prefix::is_word_byte(byte)).count();
    let before = &before[..start - prefix];
    before.ends_with(ELLIPSIS) || lines == Lines::Cut && before.last().is_none_or(|&byte| byte == b'\n')
}

/// Whether there is a cut directly after a run.
fn ends_at_cut(text: &[u8], end: usize, lines: Lines) -> bool {
    let after = &text[end..];
    after.starts_with(ELLIPSIS)
        || lines == Lines::Cut && after.first().is_none_or(|&byte| byte == b'\n')
        || end.checked_sub(NAME + 1).is_some_and(|opening| opens_name(text[opening]))
}

/// Whether a name may begin after this byte: a quote of any language, or the sign of a setting.
fn opens_name(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b'=' | b'(') || !byte.is_ascii()
}

/// The hidden characters of the first token in a run, or of the child that ends in it, that further characters of the
/// run follow.
fn runs_on(text: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let end_of_child = run.start + SIGNATURE_LEN;
    if end_of_child < run.end
        && let Some(child) = derived::child_at_end_of(&text[..end_of_child])
    {
        return Some(hint::end_of_derived(child.lookup_end)..end_of_child);
    }
    (run.start + BODY_LEN..run.end).find(|&end| start_of_token(&text[..end]).is_some()).map(hint::hidden)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::{CHECKSUM_LEN, NewToken, Prefix, SECRET_LEN, embedded};

    fn token(prefix: &str) -> String {
        NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap().expose().to_owned()
    }

    /// The text as it is logged.
    fn logged(text: &str, lines: Lines) -> String {
        let mut bytes = text.as_bytes().to_vec();
        embedded::mask_in_place(&mut bytes);
        mask_in_place(&mut bytes, lines);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).unwrap()
    }

    /// The length of the longest piece of the token's secret in the text.
    fn shown(token: &str, text: &str) -> usize {
        let secret = &token[token.len() - CHECKSUM_LEN - SECRET_LEN..][..SECRET_LEN];
        (1..=SECRET_LEN)
            .rev()
            .find(|&length| (0..=SECRET_LEN - length).any(|start| text.contains(&secret[start..start + length])))
            .unwrap_or(0)
    }

    /// What may be left of a secret.
    const MOST_SHOWN: usize = LEAST - 1;

    #[test]
    fn what_postgresql_writes_of_a_token_is_hidden_wherever_it_cuts() {
        let token = token("ps_usr_");
        for at in 0..token.len() {
            let (head, tail) = token.split_at(at);
            for (text, lines) in [
                (format!("JSON data, line 1: ...{tail}\"..."), Lines::Whole),
                (format!("JSON data, line 1: ...{tail}"), Lines::Whole),
                (format!("Failing row contains (1, {head}..., null)."), Lines::Whole),
                (format!("$1 = '{head}...'"), Lines::Whole),
                (format!("Process 1: SELECT '{head}"), Lines::Cut),
                (format!("Process 1: SELECT '{head}\nProcess 2: SELECT"), Lines::Cut),
                (format!("line 1: Start tag expected\n{tail}</a>\n   ^"), Lines::Cut),
                (format!("{tail}</a>"), Lines::Cut),
            ] {
                let logged = logged(&text, lines);
                assert!(shown(&token, &logged) <= MOST_SHOWN, "{text}: {logged}");
            }
        }
    }

    #[test]
    fn a_name_of_which_a_token_is_cut_is_hidden() {
        for (opening, closing) in
            [("\"", "\""), ("user=", " database=x"), ("»", "«"), ("«\u{a0}", "\u{a0}»"), ("'", "'")]
        {
            for before in 11..63 {
                let token = token("key_");
                let name = &format!("{}{token}", "n".repeat(before))[..63];
                let logged = logged(&format!("role {opening}{name}{closing} does not exist"), Lines::Whole);
                assert!(shown(&token, &logged) <= MOST_SHOWN, "{name}: {logged}");
            }
        }
    }

    #[test]
    fn prose_digests_and_short_pieces_stay() {
        let text = "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 of x, \"abc...\", ...def, \
                    id 019a0000-0000-7000-8000-000000000000...";
        assert_eq!(logged(text, Lines::Whole), text);
        assert_eq!(logged(text, Lines::Cut), text);
    }

    #[test]
    fn ten_megabytes_are_read_in_linear_time() {
        let run = "0".repeat(BODY_LEN);
        for unit in ["0", "_", "0_", "...", &format!("{run}_"), &format!("{run}..."), "a0Z"] {
            let mut text = unit.repeat((10 << 20) / unit.len()).into_bytes();
            mask_in_place(&mut text, Lines::Cut);
            contains(&text);
        }
    }

    proptest! {
        #[test]
        fn a_token_inside_a_word_is_hidden(
            before in "([^0-9A-Za-z][A-Za-z0-9]{0,20})?", after in "[0-9A-Za-z]{1,60}", rest in "([^0-9A-Za-z].*)?",
        ) {
            let token = token("a-b_");
            let text = format!("{before}{token}{after}{rest}");
            let logged = logged(&text, Lines::Whole);
            prop_assert!(shown(&token, &logged) < 8, "{}", logged);
            prop_assert!(contains(text.as_bytes()) || embedded::contains(text.as_bytes()));
        }

        #[test]
        fn a_cut_anywhere_in_any_text_shows_no_more_than_a_piece(
            before in ".{0,80}", after in ".{0,80}", front: prop::sample::Index, back: prop::sample::Index,
            prefix in "[A-Za-z0-9_-]{0,32}",
        ) {
            let token = token(&prefix);
            let text = format!("{before}{token}{after}");
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
            let mut cuts = [front, back].map(|cut| places[cut.index(places.len())]);
            cuts.sort_unstable();
            let part = &text[cuts[0]..cuts[1]];
            for (cut, lines) in [
                (format!("...{part}..."), Lines::Whole),
                (format!("'{part}...'"), Lines::Whole),
                (part.to_owned(), Lines::Cut),
            ] {
                // What begins inside the token says so.
                if cuts[0] > before.len() && cut.starts_with('\'') {
                    continue;
                }
                let logged = logged(&cut, lines);
                prop_assert!(shown(&token, &logged) <= MOST_SHOWN, "{}", logged);
            }
        }

        #[test]
        fn the_first_long_run_is_the_one_that_reading_every_byte_finds(
            pieces in proptest::collection::vec("[a-z]{0,3}|[a-z]{6,30}|[ _é]{0,2}", 0..12), from in 0usize..40,
        ) {
            let text = pieces.concat().into_bytes();
            let from = from.min(text.len());
            let mut begin = from;
            let runs = text[from..].split(|byte| !byte.is_ascii_alphanumeric()).map(|run| {
                let at = begin;
                begin += run.len() + 1;
                at..at + run.len()
            });
            let found = runs.into_iter().find(|run| run.len() >= LEAST);
            prop_assert_eq!(long_run(&text, from), found.clone());
            prop_assert_eq!(from == 0 && found.is_some(), from == 0 && are_possible(&text));
        }

        #[test]
        fn where_none_are_possible_there_is_no_token(
            mut text: Vec<u8>, prefix in "[A-Za-z0-9_-]{0,32}", at: prop::sample::Index,
        ) {
            prop_assert!(are_possible(&text) || !contains(&text) && !embedded::contains(&text));
            let at = at.index(text.len() + 1);
            text.splice(at..at, token(&prefix).into_bytes());
            prop_assert!(are_possible(&text));
        }

        #[test]
        fn any_bytes_keep_their_length_and_are_masked_once(mut text: Vec<u8>) {
            let length = text.len();
            mask_in_place(&mut text, Lines::Cut);
            prop_assert_eq!(text.len(), length);
            prop_assert_eq!(mask_in_place(&mut text, Lines::Cut), 0);
        }
    }
}
