//! Writes and compares memberships.

use super::{Changes, Drift, Tally};
use crate::error::{BoundRow, Error, PrincipalError};
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::encoding;
use crate::pg::types::text::Text;

impl Changes {
    /// Writes the changes of memberships.
    ///
    /// # Errors
    /// 42704 for a membership of or in a principal that does not exist.
    pub(super) fn write_members(&self, source: &Text) -> Result<Tally, Error> {
        let supplies = self.supplied.permissions;
        // Principals first: the lock order of everything that weighs a membership.
        self.hold_parties();
        if self.concerns_many() {
            self.hold_memberships();
        }
        let dropped = self.remove();
        if self.put.is_empty() {
            return Ok(Tally { dropped, ..Tally::default() });
        }
        self.refuse_unknown(source)?;
        let changed = if supplies { self.change() } else { 0 };
        Ok(Tally { created: self.add(), changed, dropped })
    }

    fn remove(&self) -> u64 {
        static REMOVE: Statement = Statement::by_key(
            "DELETE FROM tokenauth.member m
              USING (SELECT DISTINCT org COLLATE \"C\" AS org, principal COLLATE \"C\" AS member
                       FROM tokenauth_gone ORDER BY 1, 2) g
              WHERE m.org = g.org AND m.member = g.member",
        );
        if self.gone.is_empty() { 0 } else { REMOVE.run_over(&[&self.gone], &[]) }
    }

    /// Checks that the principals of new memberships exist. Those of an existing one do, as dropping one removes it.
    fn refuse_unknown(&self, source: &Text) -> Result<(), Error> {
        static FIND: Statement = Statement::by_key(
            "SELECT n.name, c.principal, c.org
               FROM tokenauth_put c
              CROSS JOIN LATERAL (VALUES (1, c.org COLLATE \"C\"), (2, c.principal COLLATE \"C\")) AS n (place, name)
              WHERE NOT EXISTS (SELECT FROM tokenauth.member m
                                 WHERE m.org = c.org COLLATE \"C\" AND m.member = c.principal COLLATE \"C\")
                AND NOT EXISTS (SELECT FROM tokenauth.principal p WHERE p.principal = n.name AND p.dropped_at IS NULL)
              ORDER BY c.place, n.place
              LIMIT 1",
        );
        let shown = |name: Text| encoding::shown(name.as_bytes());
        let unknown =
            FIND.first_over(&self.put, &[], |row| [row.required(1), row.required(2), row.required(3)].map(shown));
        match unknown {
            None => Ok(()),
            Some([name, member, org]) => Err(Error::InBinding {
                row: BoundRow { table: source.shown(), to: self.to.clone(), row: Some(format!("{member} in {org}")) },
                why: Box::new(PrincipalError::NotFound(name).into()),
            }),
        }
    }

    fn change(&self) -> u64 {
        static CHANGE: Statement = Statement::by_key(
            "UPDATE tokenauth.member m
                SET permissions = c.permissions
               FROM (SELECT DISTINCT ON (org COLLATE \"C\", principal COLLATE \"C\") * FROM tokenauth_put
                      ORDER BY org COLLATE \"C\", principal COLLATE \"C\", place DESC) c
              WHERE m.org = c.org COLLATE \"C\" AND m.member = c.principal COLLATE \"C\"
                AND m.permissions <> c.permissions",
        );
        CHANGE.run_over(&[&self.put], &[])
    }

    /// Joins the principals again: those of a membership that existed a moment ago were not locked. Whoever dropped one
    /// since has removed the membership too, and it must not come back.
    fn add(&self) -> u64 {
        static ADD: Statement = Statement::by_key(
            "INSERT INTO tokenauth.member (org, member, permissions)
             SELECT DISTINCT ON (c.org COLLATE \"C\", c.principal COLLATE \"C\")
                    c.org, c.principal, coalesce(c.permissions, '{}')
               FROM tokenauth_put c
               JOIN tokenauth.principal o ON o.principal = c.org COLLATE \"C\" AND o.dropped_at IS NULL
               JOIN tokenauth.principal p ON p.principal = c.principal COLLATE \"C\" AND p.dropped_at IS NULL
              WHERE NOT EXISTS (SELECT FROM tokenauth.member m
                                 WHERE m.org = c.org COLLATE \"C\" AND m.member = c.principal COLLATE \"C\")
              ORDER BY c.org COLLATE \"C\", c.principal COLLATE \"C\", c.place DESC
             ON CONFLICT (org, member) DO UPDATE SET permissions = excluded.permissions
              WHERE $1 AND member.permissions <> excluded.permissions",
        );
        ADD.run_over(&[&self.put], arguments![self.supplied.permissions])
    }

    pub(super) fn drift_of_members(&self) -> Drift {
        static COMPARE: Statement = Statement::by_key(
            "SELECT count(*) FILTER (WHERE m.org IS NULL),
                    count(*) FILTER (WHERE $1 AND m.permissions <> c.permissions)
               FROM tokenauth_put c
               LEFT JOIN tokenauth.member m ON m.org = c.org COLLATE \"C\" AND m.member = c.principal COLLATE \"C\"",
        );
        static ROWLESS: Statement = Statement::by_key(
            "SELECT count(*)
               FROM (SELECT org, member FROM tokenauth.member EXCEPT SELECT org, principal FROM tokenauth_put) m",
        );
        let (absent, different) = COMPARE
            .first_over(&self.put, arguments![self.supplied.permissions], |row| (row.required(1), row.required(2)))
            .unwrap_or_default();
        let rowless = ROWLESS.first_over(&self.put, &[], |row| row.required(1)).unwrap_or_default();
        Drift { absent, different, rowless }
    }
}
