//! A world of scopes small enough to enumerate, against which the algebra of patterns is proved.
//!
//! The meaning of a pattern is a set of bits, one for each scope of one to four segments over three letters. It is
//! computed from the definition alone, without calling the code under test. Patterns use only two of the letters, so
//! the third stands for whatever a pattern does not name.

use std::iter::repeat_n;

use super::Scope;

/// The scopes of this world that a pattern stands for. There are 3 + 9 + 27 + 81 of them, which fit into 128 bits.
pub(super) fn meaning(pattern: &Scope) -> u128 {
    let pattern: Vec<&str> = pattern.as_str().split(':').collect();
    (0..)
        .zip(texts(&["a", "b", "c"]))
        .filter(|(_, text)| stands_for(&pattern, &text.split(':').collect::<Vec<_>>()))
        .fold(0, |bits, (position, _)| bits | 1 << position)
}

/// Every pattern of one to four segments from `a`, `b` and `*`.
pub(super) fn patterns() -> impl Iterator<Item = Scope> {
    texts(&["a", "b", "*"]).map(|text| Scope::parse(text.as_bytes()).expect("the grammar allows it"))
}

fn stands_for(pattern: &[&str], scope: &[&str]) -> bool {
    match (pattern, scope) {
        ([], []) => true,
        (["*"], [_, ..]) => true,
        ([first, pattern @ ..], [segment, scope @ ..]) => {
            (*first == "*" || first == segment) && stands_for(pattern, scope)
        }
        _ => false,
    }
}

fn texts(alphabet: &[&str]) -> impl Iterator<Item = String> {
    (1..=Scope::MAX_SEGMENTS).flat_map(move |length| {
        repeat_n(alphabet, length).fold(vec![String::new()], |texts, alphabet| {
            texts.iter().flat_map(|text| alphabet.iter().map(move |segment| join(text, segment))).collect()
        })
    })
}

fn join(text: &str, segment: &str) -> String {
    if text.is_empty() { segment.to_owned() } else { format!("{text}:{segment}") }
}
