//! Which of our tables readers follow, and which stay where they are.

/// What verification reads, and what it takes to judge and count it: published to readers.
pub const PUBLISHED: [&str; 11] = [
    "change",
    "derived_death",
    "heartbeat",
    "import",
    "key",
    "kind",
    "mass_death",
    "member",
    "principal",
    "token",
    "usage_batch",
];

/// What a server writes for itself: usage, which both sides would insert; history; and what decides nothing.
pub const KEPT: [&str; 11] = [
    "announced",
    "as_issued",
    "binding",
    "counting",
    "erased",
    "erased_id",
    "event",
    "signal",
    "usage",
    "usage_copy",
    "usage_hourly",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::roles::extension::SCRIPTS;

    /// Tables of the scripts that make them.
    fn tables() -> Vec<&'static str> {
        let name = |rest: &'static str| rest.split([' ', '(']).next().unwrap_or_default();
        SCRIPTS.split("CREATE TABLE tokenauth.").skip(1).map(name).collect()
    }

    #[test]
    fn every_table_is_either_published_or_kept() {
        let tables = tables();
        assert!(tables.len() > 10, "{tables:?}");
        for table in &tables {
            assert_ne!(PUBLISHED.contains(table), KEPT.contains(table), "{table}");
        }
        for kept in KEPT {
            assert!(tables.contains(&kept), "{kept}");
        }
    }
}
