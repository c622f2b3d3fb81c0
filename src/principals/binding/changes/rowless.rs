//! Principals and memberships that no row of a bound table stands for.

use super::Changes;
use crate::model::bound_to::BoundTo;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::encoding;
use crate::pg::types::row::Row;

/// The most that are named.
const MOST: i64 = 20;

/// Those without a row.
#[derive(Default)]
pub struct Rowless {
    /// How many there are.
    pub count: i64,
    /// The first of them, as messages may show them.
    pub named: Vec<String>,
}

impl Changes {
    /// The existing principals of the type, or memberships, that were not put.
    pub fn rowless(&self) -> Rowless {
        static PRINCIPALS: Statement = Statement::by_key(
            "SELECT count(*) OVER (), principal, NULL::text
               FROM (SELECT principal FROM tokenauth.principal
                      WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL
                     EXCEPT
                     SELECT principal COLLATE \"C\" FROM tokenauth_put) p
              ORDER BY principal
              LIMIT $2",
        );
        static MEMBERSHIPS: Statement = Statement::by_key(
            "SELECT count(*) OVER (), member, org
               FROM (SELECT org, member FROM tokenauth.member
                     EXCEPT
                     SELECT org COLLATE \"C\", principal COLLATE \"C\" FROM tokenauth_put) m
              ORDER BY org, member
              LIMIT $1",
        );
        let _owner = ActingAs::owner_of_ours();
        let found = match &self.to {
            BoundTo::Principals(of_type) => PRINCIPALS.all_over(&self.put, arguments![of_type.as_str(), MOST], counted),
            BoundTo::Memberships => MEMBERSHIPS.all_over(&self.put, arguments![MOST], counted),
        };
        Rowless {
            count: found.first().map_or(0, |(count, _)| *count),
            named: found.into_iter().map(|(_, name)| name).collect(),
        }
    }
}

fn counted(row: &Row) -> (i64, String) {
    let name = |column| row.bytes(column).map(encoding::shown);
    let name = match (name(2), name(3)) {
        (Some(member), Some(org)) => format!("{member} in {org}"),
        (name, _) => name.unwrap_or_default(),
    };
    (row.required(1), name)
}
