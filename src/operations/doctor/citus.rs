//! Checks that no table of ours has become one of Citus.

use crate::error::finding::Finding;
use crate::pg::roles::citus;

/// Those that have.
pub fn findings() -> Vec<Finding> {
    let finding = |table: String| {
        Finding::new(
            "citus",
            &format!("tokenauth.{table}"),
            "is a table of Citus: every call is refused, since its rows here are not kept up to date",
            "The documentation about topologies says how to take it back; nodes can be readers.",
        )
    };
    citus::tables_of_ours().into_iter().map(|table| finding(table.shown())).collect()
}
