//! Takes the locks of a change of many rows first, in key order, so that the set operations after it never wait and may
//! visit their rows in whatever order they are planned.

use super::{Changes, Touched};
use crate::pg::statement::{Statement, arguments};

/// What was locked, so that it can be changed without waiting.
#[derive(Default)]
pub(super) struct Held {
    /// How many principals were created, as they are to be.
    pub created: u64,
    existing: u64,
}

impl Held {
    /// Whether there are principals that are not yet as they are to be.
    pub fn has_existing(&self) -> bool {
        self.existing > 0
    }
}

impl Changes {
    /// Whether several principals or memberships are concerned. A change of one locks one, and needs no order.
    pub(super) fn concerns_many(&self) -> bool {
        matches!(self.touched, Touched::Many)
    }

    /// Locks each principal that is to change, and creates each that is absent. One pass in key order for both: to lock
    /// what exists first and insert afterwards would be two orders, in which two sessions could wait for each other.
    ///
    /// A principal that another session is just creating is waited for, and then locked as it has become.
    pub(super) fn hold(&self) -> Held {
        static HOLD: Statement = Statement::new(concat!(
            "WITH wanted AS MATERIALIZED (
                 SELECT c.principal COLLATE \"C\" AS principal, coalesce(c.active, true) AS active,
                        coalesce(c.permissions, '{}') AS permissions, coalesce(c.data_scopes, '{}') AS data_scopes,
                        c.display_name, c.state_reason, true AS is_put
                   FROM (SELECT DISTINCT ON (principal COLLATE \"C\") * FROM tokenauth_put
                          ORDER BY principal COLLATE \"C\", place DESC) c
                   LEFT JOIN tokenauth.principal p ON p.principal = c.principal COLLATE \"C\"
                  WHERE p.principal IS NULL OR ",
            differs!(),
            "    UNION ALL
                 SELECT p.principal, p.active, p.permissions, p.data_scopes, p.display_name, p.state_reason, false
                   FROM (SELECT DISTINCT principal COLLATE \"C\" AS principal FROM tokenauth_gone) g
                   JOIN tokenauth.principal p ON p.principal = g.principal
                  WHERE p.dropped_at IS NULL),
             created AS (
                 INSERT INTO tokenauth.principal AS held
                        (principal, active, permissions, data_scopes, display_name, state_reason)
                 SELECT principal, active, permissions, data_scopes, display_name, state_reason
                   FROM wanted ORDER BY principal
                 -- A row that is there is locked, and not written.
                 ON CONFLICT (principal) DO UPDATE SET active = held.active WHERE false
                 RETURNING 1)
             SELECT (SELECT count(*) FROM wanted WHERE is_put), (SELECT count(*) FROM created)",
        ));
        HOLD.first_over_both(&self.put, &self.gone, &self.supplied.arguments(), |row| {
            let [wanted, created] = [1, 2].map(|column| row.required::<i64>(column).cast_unsigned());
            Held { existing: wanted.saturating_sub(created), created }
        })
        .unwrap_or_default()
    }

    /// Locks the principals of new memberships, so that none is dropped meanwhile. A membership that is gone may also
    /// be new: when two members swap their ids, both are.
    pub(super) fn hold_parties(&self) {
        static HOLD: Statement = Statement::new(
            "SELECT count(*)
               FROM (SELECT
                       FROM tokenauth.principal p
                      WHERE p.principal IN (
                            SELECT n.name
                              FROM tokenauth_put c
                             CROSS JOIN LATERAL (VALUES (c.org COLLATE \"C\"), (c.principal COLLATE \"C\")) AS n (name)
                             WHERE $1 OR NOT EXISTS (SELECT FROM tokenauth.member m
                                                      WHERE m.org = c.org COLLATE \"C\"
                                                        AND m.member = c.principal COLLATE \"C\"))
                      ORDER BY p.principal
                        FOR SHARE) held",
        );
        if !self.put.is_empty() {
            HOLD.run_over(&self.put, arguments![!self.gone.is_empty()]);
        }
    }

    /// Locks the memberships that are to change or to go. New ones are not created here, unlike principals: one that
    /// goes with its principal while it is waited for must not come back.
    pub(super) fn hold_memberships(&self) {
        static HOLD: Statement = Statement::new(
            "SELECT count(*)
               FROM (SELECT
                       FROM (SELECT org COLLATE \"C\" AS org, principal COLLATE \"C\" AS member FROM tokenauth_gone
                             UNION
                             SELECT m.org, m.member
                               FROM (SELECT DISTINCT ON (org COLLATE \"C\", principal COLLATE \"C\") * FROM tokenauth_put
                                      ORDER BY org COLLATE \"C\", principal COLLATE \"C\", place DESC) c
                               JOIN tokenauth.member m
                                 ON m.org = c.org COLLATE \"C\" AND m.member = c.principal COLLATE \"C\"
                              WHERE $1 AND m.permissions <> c.permissions) k
                       JOIN tokenauth.member m ON m.org = k.org AND m.member = k.member
                      ORDER BY m.org, m.member
                        FOR NO KEY UPDATE OF m) held",
        );
        HOLD.first_over_both(&self.put, &self.gone, arguments![self.supplied.permissions], |_| ());
    }
}
