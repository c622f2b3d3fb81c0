//! Reads the known-answer vectors in `tests/vectors`, for the tests of this module.
//!
//! Fails the test on anything it does not expect. Never computes an answer.

use serde_json::Value;

/// The list `list` of `file`.
pub(super) fn cases(file: &str, list: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read(path).expect("vector file is there");
    let mut json: Value = serde_json::from_slice(&json).expect("vector file is JSON");
    match json[list].take() {
        // A test over an empty list would prove nothing.
        Value::Array(cases) if !cases.is_empty() => cases,
        _ => panic!("{file} has no list {list}"),
    }
}

/// A string of a vector.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// Bytes that a vector writes in hex.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).expect("hex")
}

/// Exactly `N` bytes that a vector writes in hex.
pub(super) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the right length")
}
