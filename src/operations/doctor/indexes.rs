//! Checks that every index of ours is as it was installed.
//!
//! Only superusers and the owner of the extension can change that. Rows are read by some of them and by nothing else:
//! without those, calls fail.

use crate::error::finding::Finding;
use crate::pg::scan::index_proof;

/// Those without which calls fail.
pub fn needed() -> Vec<Finding> {
    findings(true)
}

/// Those without which calls take longer, or somebody can store what should be refused.
pub fn others() -> Vec<Finding> {
    findings(false)
}

fn findings(is_needed: bool) -> Vec<Finding> {
    let faults = index_proof::faults().into_iter().filter(|(index, _)| index.is_needed() == is_needed);
    faults
        .map(|(index, fault)| Finding::new("schema", &index.object(), &index.finding(fault), &index.remedy(fault)))
        .collect()
}
