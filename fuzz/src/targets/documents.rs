//! The other JSON documents that callers pass: data scopes, and revocations from another copy.

use serde_json::Value;

use crate::model::data_scope::DataScopes;
use crate::operations::revocations::document::written::{Reason, Written};

/// Data scopes have one form and only ever narrow; a reason that revocations name is one of theirs.
pub fn check(input: &[u8]) {
    if let Ok(written) = serde_json::from_slice::<Written>(input) {
        let tokens = written.tokens.iter().filter_map(|token| token.reason.as_ref());
        for reason in tokens.chain(written.owners.iter().filter_map(|owner| owner.reason.as_ref())) {
            let is_there = match reason {
                Reason::Text(_) => true,
                Reason::Listed(place) => *place < written.reasons.len(),
            };
            assert_eq!(reason.among(&written.reasons).is_some(), is_there);
        }
    }
    let Ok(json) = serde_json::from_slice::<Value>(input) else { return };
    let parsed: Vec<DataScopes> = match &json {
        Value::Array(list) => list.iter().take(4).filter_map(|json| DataScopes::parse(json).ok()).collect(),
        json => DataScopes::parse(json).into_iter().collect(),
    };
    for ours in &parsed {
        assert!(DataScopes::parse(&ours.to_value()).as_ref() == Ok(ours), "there is one form");
        assert!(ours.within(ours) && DataScopes::nothing().within(ours) && ours.within(&DataScopes::unrestricted()));
        for theirs in &parsed {
            let both = ours.intersect(theirs);
            assert!(both.within(ours) && both.within(theirs) && both == theirs.intersect(ours));
            assert_eq!(both == *ours, ours.within(theirs));
        }
    }
}
