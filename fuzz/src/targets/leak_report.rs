//! A report of leaked tokens, as scanners of repositories send it.

use crate::operations::leaks::written::{Leaked, MOST_KEPT, kept};
use crate::oracle;
use crate::token::embedded;

/// Lookup and secret of the token that the byte 1 in a text stands for, since hardly a random text has one.
const TOKEN: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";

/// A report has one form, and no token is kept of where one was found.
pub fn check(input: &[u8]) {
    // What the server has made of it is JSON as a whole, also where it is passed over.
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(input)
        && let Ok(report) = serde_json::from_slice::<Vec<Leaked>>(input)
    {
        let entries = json.as_array().expect("it is an array");
        assert_eq!(report.len(), entries.len());
        // One that lists its fields in their order is understood as well.
        for (leaked, entry) in report.iter().zip(entries).filter(|(_, entry)| entry.is_object()) {
            assert_eq!(entry["token"], leaked.token);
            for (name, text) in [("type", &leaked.r#type), ("url", &leaked.url), ("source", &leaked.source)] {
                assert_eq!(entry[name].as_str(), text.as_deref());
                text.as_deref().map(judge).unwrap_or_default();
            }
        }
    }
    // Texts that are long enough to be cut, anywhere.
    let token = oracle::with_checksum(TOKEN);
    let spread: Vec<u8> =
        input.iter().flat_map(|byte| if *byte == 1 { &token } else { std::slice::from_ref(byte) }).copied().collect();
    if let Ok(text) = str::from_utf8(&spread) {
        judge(text);
        let room = MOST_KEPT.saturating_sub(text.len() / 2);
        judge(&format!("{}{text}", "x/".repeat(room / 2)));
        judge(&format!("{}{text}", "/x".repeat(room / 2)));
    }
}

fn judge(text: &str) {
    let kept = kept(text);
    assert!(kept.len() <= MOST_KEPT && (kept.len() > MOST_KEPT - 4 || kept.len() == text.len()));
    assert!(text.bytes().zip(kept.bytes()).all(|(before, after)| before == after || after == b'*'));
    assert!(!embedded::contains(kept.as_bytes()), "a token is kept");
}
