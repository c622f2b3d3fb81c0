//! Takes locks in the order that [`crate::catalog`] demands, before the set operations that need them, which may then
//! visit their rows in whatever order they are planned.

use super::{Affected, Changes};
use crate::catalog::principal::past_of;
use crate::pg::sql::statement::{Statement, arguments};

impl Changes {
    /// Whether several principals or memberships are concerned. A change of one locks one, and needs no order.
    pub(super) fn concerns_many(&self) -> bool {
        matches!(self.affected, Affected::Many)
    }

    /// Locks each principal that is to change or to go, and creates each that is absent.
    pub(super) fn hold(&self) {
        static HOLD: Statement = Statement::by_key(concat!(
            "INSERT INTO tokenauth.principal AS held
                    (principal, active, permissions, data_scopes, display_name, state_reason,
                     epoch, all_dead_before_epoch, revocable_dead_before_epoch)
             SELECT c.principal COLLATE \"C\" AS principal, coalesce(c.active, true), coalesce(c.permissions, '{}'),
                    coalesce(c.data_scopes, '{}'), c.display_name, c.state_reason,
                    past.epoch, past.all_dead, past.revocable_dead
               FROM (SELECT DISTINCT ON (principal COLLATE \"C\") * FROM tokenauth_put
                      ORDER BY principal COLLATE \"C\", place DESC) c
               LEFT JOIN tokenauth.principal p ON p.principal = c.principal COLLATE \"C\"
              CROSS JOIN ",
            past_of!("c.principal COLLATE \"C\"", "p.principal IS NULL"),
            " WHERE p.principal IS NULL OR ",
            differs!("c"),
            "UNION ALL
             SELECT p.principal, p.active, p.permissions, p.data_scopes, p.display_name, p.state_reason,
                    p.epoch, p.all_dead_before_epoch, p.revocable_dead_before_epoch
               FROM (SELECT DISTINCT principal COLLATE \"C\" AS principal FROM tokenauth_gone) g
               JOIN tokenauth.principal p ON p.principal = g.principal
              WHERE p.dropped_at IS NULL
              ORDER BY principal
             -- A row that is there is locked, and not written.
             ON CONFLICT (principal) DO UPDATE SET active = held.active WHERE false",
        ));
        HOLD.run_over(&[&self.put, &self.gone], &self.supplied.arguments());
    }

    /// Locks the principals of new memberships, so that none is dropped meanwhile. A membership that is gone may also
    /// be new: when two members swap their ids, both are.
    pub(super) fn hold_parties(&self) {
        static HOLD: Statement = Statement::by_key(
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
            HOLD.run_over(&[&self.put], arguments![!self.gone.is_empty()]);
        }
    }

    /// Locks the memberships that are to change or to go. New ones are not created here, unlike principals: one that
    /// goes with its principal while it is waited for must not come back.
    pub(super) fn hold_memberships(&self) {
        static HOLD: Statement = Statement::by_key(
            "SELECT count(*)
               FROM (SELECT
                       FROM (SELECT org COLLATE \"C\" AS org, principal COLLATE \"C\" AS member FROM tokenauth_gone
                             UNION
                             SELECT m.org, m.member
                               FROM (SELECT DISTINCT ON (org COLLATE \"C\", principal COLLATE \"C\") *
                                       FROM tokenauth_put
                                      ORDER BY org COLLATE \"C\", principal COLLATE \"C\", place DESC) c
                               JOIN tokenauth.member m
                                 ON m.org = c.org COLLATE \"C\" AND m.member = c.principal COLLATE \"C\"
                              WHERE $1 AND m.permissions <> c.permissions) k
                       JOIN tokenauth.member m ON m.org = k.org AND m.member = k.member
                      ORDER BY m.org, m.member
                        FOR NO KEY UPDATE OF m) held",
        );
        HOLD.run_over(&[&self.put, &self.gone], arguments![self.supplied.permissions]);
    }
}
