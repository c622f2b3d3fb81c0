//! The grammar by which tokens are found and masked in other text.

use crate::oracle;
use crate::token::derived::DerivedText;
use crate::token::remains::{self, Lines};
use crate::token::{LOOKUP_LEN, SECRET_LEN, embedded};

/// Lookup and secret of the token that the byte 1 in an input stands for, since hardly a random text has one.
const TOKEN: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";

/// What the byte 2 stands for.
const CHILD: &[u8] = b"00000000000.eyJuIjoxODAwMDAwMDAwLCJ4IjoxODAwMDAwMzAwfQ.\
    CR6YUNR8en3nEtJ4XHkdlYSDlcSTH4slA05uItP57aP05AkoeocoEty8fxvV74F8J3owjReo62rPSQ1ETKaqVq";

/// Only tokens are hidden, all of them, and in their place.
pub fn check(input: &[u8]) {
    let token = oracle::with_checksum(TOKEN);
    let mut text = Vec::new();
    let mut secrets = Vec::new();
    for &byte in input {
        match byte {
            1 => {
                secrets.push(text.len() + LOOKUP_LEN..text.len() + LOOKUP_LEN + SECRET_LEN);
                text.extend_from_slice(&token);
            }
            2 => text.extend_from_slice(CHILD),
            other => text.push(other),
        }
    }
    let masked = mask(&text);
    // As the log hook does: what a checksum cannot vouch for, too. Then it does not matter what follows a token.
    for lines in [Lines::Whole, Lines::Cut] {
        let mut log = masked.clone();
        remains::mask_in_place(&mut log, lines);
        only_hides(&masked, &log);
        assert!(log == text || remains::are_possible(&text), "it is looked at");
        assert!(secrets.iter().all(|secret| log[secret.clone()].contains(&b'*')), "no secret is left whole");
    }
}

fn mask(text: &[u8]) -> Vec<u8> {
    let found: Vec<_> = embedded::find(text).collect();
    assert_eq!(embedded::contains(text), !found.is_empty());
    let mut masked = text.to_vec();
    assert!(embedded::mask_in_place(&mut masked) >= found.len());
    only_hides(text, &masked);
    for range in found {
        let token = &text[range.clone()];
        let hidden = if oracle::is_token(token) { 8..45 } else { child(token) };
        let start = range.start + token.len() - if oracle::is_token(token) { 49 } else { token.len() };
        assert!(masked[start + hidden.start..start + hidden.end].iter().all(|&byte| byte == b'*'));
    }
    assert!(!embedded::contains(&masked));
    assert!(!has_token(&masked));
    masked
}

/// What is hidden of a text that looks like a child.
fn child(text: &[u8]) -> std::ops::Range<usize> {
    let dot = text.iter().position(|&byte| byte == b'.').expect("a child has dots");
    assert!(text[dot + 1..].starts_with(b"eyJuIjo"), "it is neither a token nor a child");
    assert!(DerivedText::may_be(text) || text.len() > 2048);
    dot - 3..text.len()
}

fn only_hides(text: &[u8], masked: &[u8]) {
    assert_eq!(text.len(), masked.len());
    assert!(text.iter().zip(masked).all(|(before, after)| before == after || *after == b'*'));
}

/// Whether a token stands anywhere before the end of a word: each place is tried.
fn has_token(text: &[u8]) -> bool {
    (49..=text.len())
        .filter(|&end| text.get(end).is_none_or(|next| !next.is_ascii_alphanumeric()))
        .filter(|&end| text[end - 49..end].iter().all(u8::is_ascii_alphanumeric))
        .any(|end| (end.saturating_sub(81)..=end - 49).any(|start| oracle::is_token(&text[start..end])))
}
