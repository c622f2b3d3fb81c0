//! Rows of `tokenauth.member`.

use crate::catalog::kind::stored_scopes;
use crate::pg::array::TextArray;
use crate::pg::statement::{Statement, arguments};
use crate::pg::text::Text;
use crate::principal::PrincipalName;
use crate::scope::Scopes;

/// What a member holds in an organisation, which cannot change until the transaction ends; `None` for no member.
pub fn lock(org: &PrincipalName, member: &PrincipalName) -> Option<Scopes> {
    static LOCK: Statement =
        Statement::new("SELECT permissions FROM tokenauth.member WHERE org = $1 AND member = $2 FOR SHARE");
    LOCK.first(arguments![org.text(), member.text()], |row| {
        stored_scopes(&row.required::<TextArray>(1))
    })
}

/// The organisations of a member, with what it holds there.
pub fn organisations(member: &PrincipalName) -> Vec<(Text, Scopes)> {
    static FIND: Statement =
        Statement::new("SELECT org, permissions FROM tokenauth.member WHERE member = $1 ORDER BY org");
    FIND.all(arguments![member.text()], |row| {
        (row.required(1), stored_scopes(&row.required::<TextArray>(2)))
    })
}

/// Adds a member, or changes what it holds; answers what it held before.
pub fn put(org: &PrincipalName, member: &PrincipalName, permissions: &Scopes) -> Option<TextArray> {
    static BEFORE: Statement =
        Statement::new("SELECT permissions FROM tokenauth.member WHERE org = $1 AND member = $2 FOR NO KEY UPDATE");
    static PUT: Statement = Statement::new(
        "INSERT INTO tokenauth.member (org, member, permissions) VALUES ($1, $2, $3)
         ON CONFLICT (org, member) DO UPDATE SET permissions = excluded.permissions",
    );
    let before = BEFORE.first(arguments![org.text(), member.text()], |row| row.required(1));
    PUT.run(arguments![
        org.text(),
        member.text(),
        permissions.iter().collect::<TextArray>()
    ]);
    before
}

/// Removes a member; answers what it held, `None` when it was none.
pub fn remove(org: &PrincipalName, member: &PrincipalName) -> Option<TextArray> {
    static REMOVE: Statement =
        Statement::new("DELETE FROM tokenauth.member WHERE org = $1 AND member = $2 RETURNING permissions");
    REMOVE.first(arguments![org.text(), member.text()], |row| row.required(1))
}

/// Removes every membership in and of a principal.
pub fn remove_all(principal: &PrincipalName) {
    static REMOVE: Statement = Statement::new("DELETE FROM tokenauth.member WHERE org = $1 OR member = $1");
    REMOVE.run(arguments![principal.text()]);
}
