//! Checks that every index of ours is as it was installed.
//!
//! Only superusers and the owner of the extension can change that. Rows are read by some of them and by nothing else:
//! without those, calls fail.

use crate::error::finding::Finding;
use crate::pg::scan::index_definition::{Definition, Fault};
use crate::pg::scan::index_proof;

/// Those without which calls fail; and those without which calls take longer, or somebody can store what should be
/// refused.
pub fn findings() -> (Vec<Finding>, Vec<Finding>) {
    let (needed, others): (Vec<_>, Vec<_>) =
        index_proof::faults().into_iter().partition(|(index, _)| index.is_needed());
    let told = |faults: Vec<(&Definition, Fault)>| {
        let finding = |(index, fault): (&Definition, Fault)| {
            Finding::new("schema", &index.object(), &index.finding(fault), &index.remedy(fault))
        };
        faults.into_iter().map(finding).collect()
    };
    (told(needed), told(others))
}
