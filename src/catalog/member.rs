//! Rows of `tokenauth.member`.

use std::iter;

use crate::catalog::kind::stored_scopes;
use crate::catalog::principal::{self, Hold};
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scopes;
use crate::pg::scan::index_key::{IndexKey, Is};
use crate::pg::scan::index_scan::Index;
use crate::pg::scan::index_walk::{Direction, WHOLE};
use crate::pg::scan::kept;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments, fields};
use crate::pg::types::array::TextArray;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// The table by its primary key.
pub static BY_ORG: Index = Index::new(c"member", c"member_pkey");
/// The table by the member.
static BY_MEMBER: Index = Index::new(c"member", c"member_member_idx");

/// Columns, in the order of the table.
mod column {
    pub const ORG: usize = 1;
    pub const PERMISSIONS: usize = 3;
}

/// The permissions of a member in an organisation, locked as `hold` says; `None` when it is not a member.
pub fn lock(org: &PrincipalName, member: &PrincipalName, hold: Hold) -> Option<Scopes> {
    static LOCK: Statement =
        Statement::by_key("SELECT permissions FROM tokenauth.member WHERE org = $1 AND member = $2 FOR SHARE")
            .repeated();
    if hold == Hold::Look {
        return look(&BY_ORG, [org, member], |row| permissions(row, column::PERMISSIONS)).pop();
    }
    LOCK.first(arguments![org.text(), member.text()], |row| permissions(row, 1))
}

/// The organisations of a member with its permissions there, by name, locked as `hold` says.
pub fn organisations(member: &PrincipalName, hold: Hold) -> Vec<(Text, Scopes)> {
    static LOCK: Statement =
        Statement::by_key("SELECT org, permissions FROM tokenauth.member WHERE member = $1 ORDER BY org FOR SHARE")
            .repeated();
    if hold == Hold::Look {
        let read = |row: &Row| (row.required(column::ORG), permissions(row, column::PERMISSIONS));
        let mut found: Vec<(Text, Scopes)> = look(&BY_MEMBER, [member], read);
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        return found;
    }
    LOCK.all(arguments![member.text()], |row| (row.required(1), permissions(row, 2)))
}

/// Reads the memberships of which the first columns of an index are these names, without a lock.
fn look<T, const N: usize>(index: &Index, names: [&PrincipalName; N], read: impl Fn(&Row) -> T) -> Vec<T> {
    let opened = index.open_to_walk();
    let snapshot = LatestSnapshot::of_now();
    let mut walk = opened.walk(&snapshot);
    let mut column = 0;
    walk.seek(names.map(|name| {
        column += 1;
        (column, Is::Equal, IndexKey::Text(name.as_bytes()))
    }));
    iter::from_fn(|| walk.next(Direction::Up, WHOLE)).map(|row| read(&row)).collect()
}

fn permissions(row: &Row, column: usize) -> Scopes {
    stored_scopes(&row.required::<TextArray>(column))
}

/// Adds a member or changes its permissions; returns those it had before.
pub fn put(org: &PrincipalName, member: &PrincipalName, permissions: &Scopes) -> Option<TextArray> {
    static LOCK: Statement =
        Statement::by_key("SELECT permissions FROM tokenauth.member WHERE org = $1 AND member = $2 FOR NO KEY UPDATE")
            .repeated();
    static INSERT: Statement = Statement::by_key(
        "INSERT INTO tokenauth.member (org, member, permissions) VALUES ($1, $2, $3)
         ON CONFLICT (org, member) DO NOTHING",
    )
    .repeated();
    static UPDATE: Statement =
        Statement::by_key("UPDATE tokenauth.member SET permissions = $3 WHERE org = $1 AND member = $2");
    let values = || fields![org.text(), member.text(), permissions.iter().collect::<TextArray>()];
    // Again when another session has added it, or removed it, between the two.
    let mut round = 0;
    loop {
        kept::refuse_endless("member", round);
        round += 1;
        if let Some(before) = LOCK.first(arguments![org.text(), member.text()], |row| row.required(1)) {
            kept::refuse("member", UPDATE.run(&values()));
            return Some(before);
        }
        if INSERT.run(&values()) == 1 {
            return None;
        }
        pgrx::check_for_interrupts!();
    }
}

/// Removes a member; returns the permissions it had, `None` when it was not a member.
pub fn remove(org: &PrincipalName, member: &PrincipalName) -> Option<TextArray> {
    static REMOVE: Statement =
        Statement::by_key("DELETE FROM tokenauth.member WHERE org = $1 AND member = $2 RETURNING permissions")
            .repeated();
    REMOVE.first(arguments![org.text(), member.text()], |row| row.required(1))
}

/// A membership as events show it; `None` when there is none.
pub fn described(org: &PrincipalName, member: &PrincipalName) -> Option<Jsonb> {
    static DESCRIBE: Statement = Statement::by_key(
        "SELECT jsonb_build_object('member', member, 'permissions', permissions)
           FROM tokenauth.member WHERE org = $1 AND member = $2",
    );
    DESCRIBE.first(arguments![org.text(), member.text()], |row| row.required(1))
}

/// A principal about to be dropped as events show it, with its memberships.
pub fn described_with(principal: &PrincipalName) -> Option<Jsonb> {
    static DESCRIBE: Statement = Statement::by_key(
        "SELECT $2::jsonb || jsonb_strip_nulls(jsonb_build_object('memberships',
                    (SELECT jsonb_agg(jsonb_build_object('org', org, 'member', member, 'permissions', permissions)
                                      ORDER BY org, member)
                       FROM tokenauth.member WHERE org = $1 OR member = $1)))",
    );
    let described = principal::described(principal);
    DESCRIBE.first(arguments![principal.text(), described], |row| row.optional(1)).flatten()
}

/// Whether the principal has members or is one.
pub fn has_any(principal: &PrincipalName) -> bool {
    static FIND: Statement = Statement::by_key(
        "SELECT FROM tokenauth.member WHERE org = $1 UNION ALL SELECT FROM tokenauth.member WHERE member = $1 LIMIT 1",
    );
    FIND.run(arguments![principal.text()]) > 0
}

/// Removes every membership of and in a principal, which the caller must hold with [`Hold::Alone`].
pub fn remove_all(principal: &PrincipalName) {
    static REMOVE: Statement = Statement::by_key(
        "WITH held AS MATERIALIZED (
             SELECT org, member FROM tokenauth.member WHERE org = $1 OR member = $1 ORDER BY org, member FOR UPDATE)
         DELETE FROM tokenauth.member m USING held h WHERE m.org = h.org AND m.member = h.member",
    )
    .repeated();
    REMOVE.run(arguments![principal.text()]);
}

/// Removes every membership.
pub fn remove_everybody() {
    static REMOVE: Statement = Statement::of_all("DELETE FROM tokenauth.member").repeated();
    REMOVE.run(&[]);
}
