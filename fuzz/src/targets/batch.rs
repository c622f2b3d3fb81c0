//! A batch of usage, as a standby or a reader hands it out.

use crate::usage::batch::written::Batch;

/// What is brought in is what would be handed out, and adds up without an overflow.
pub fn check(input: &[u8]) {
    let Ok(json) = serde_json::from_slice(input) else { return };
    let Some(batch) = Batch::of_value(&json) else { return };
    let again = Batch::of_value(&batch.to_value()).expect("what is written is read");
    assert!(again.open == batch.open && again.copy == batch.copy && again.uses == batch.uses);
    for (token, record) in &batch.uses {
        let mut twice = *record;
        twice.merge(record);
        assert_eq!(twice.requests, 2 * record.requests);
        assert!(i64::try_from(twice.requests + twice.denials).is_ok());
        assert_eq!((twice.first_use, twice.last_use), (record.first_use, record.last_use));
        assert!(again.uses.contains_key(token));
    }
}
