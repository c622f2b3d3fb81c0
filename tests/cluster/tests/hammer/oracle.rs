//! What must be true whenever all sessions rest: nothing that was killed is valid, and nothing has drifted.

use std::time::Instant;

use postgres::Client;
use tokenauth_cluster::contract::verdict;

use crate::verbs::Target;

/// What a call that succeeded has done.
pub enum Fact {
    Issued(Token),
    Killed(Death),
}

/// A token of the world.
#[derive(Clone)]
pub struct Token {
    pub target: Target,
    owner: String,
    kind: String,
    /// When COMMIT had returned to its issuer.
    acknowledged: Instant,
}

/// Tokens that a call has killed: those acknowledged before it started.
pub struct Death {
    what: Killed,
    started: Instant,
    sql: String,
}

enum Killed {
    Token(String),
    /// Of an owner, all or only those of kinds that die when it is deactivated.
    Owner {
        owner: String,
        only_revocable: bool,
    },
    Kind(String),
    Everything,
}

impl Fact {
    /// Reads a row that a verb returned.
    pub fn parse(row: &str, sql: &str, started: Instant, acknowledged: Instant) -> Self {
        let words: Vec<&str> = row.split(' ').collect();
        let owner = |name: &str, only_revocable| Killed::Owner { owner: name.to_owned(), only_revocable };
        let what = match *words {
            ["issued", text, id, name, kind] => {
                let target = Target { id: id.to_owned(), text: text.to_owned() };
                return Fact::Issued(Token { target, owner: name.to_owned(), kind: kind.to_owned(), acknowledged });
            }
            ["token", id] => Killed::Token(id.to_owned()),
            ["all", name] => owner(name, false),
            ["revocable", name] => owner(name, true),
            ["kind", name] => Killed::Kind(name.to_owned()),
            ["everything"] => Killed::Everything,
            _ => panic!("not a fact: {row}"),
        };
        Fact::Killed(Death { what, started, sql: sql.to_owned() })
    }
}

impl Death {
    fn covers(&self, token: &Token) -> bool {
        token.acknowledged < self.started
            && match &self.what {
                Killed::Token(id) => *id == token.target.id,
                Killed::Owner { owner, only_revocable } => {
                    *owner == token.owner && !(*only_revocable && token.kind == "seat")
                }
                Killed::Kind(kind) => *kind == token.kind,
                Killed::Everything => true,
            }
    }
}

/// Whether this table is bound.
fn is_bound(admin: &mut Client, table: &str) -> bool {
    admin.query_one("SELECT is_bound($1)", &[&table]).unwrap().get(0)
}

/// Checks every token, and returns those that may still be used.
pub fn survivors(admin: &mut Client, tokens: Vec<Token>, deaths: &[Death]) -> Vec<Token> {
    let users_are_bound = is_bound(admin, "users");
    tokens
        .into_iter()
        .filter(|token| {
            let verdict = verdict(admin, &token.target.text);
            if verdict == "valid" {
                for death in deaths {
                    assert!(!death.covers(token), "{} of {} survived: {}", token.target.id, token.owner, death.sql);
                }
                let sql = "SELECT p.active AND p.dropped_at IS NULL
                                  AND (NOT $2 OR $1 NOT LIKE 'user:%' OR coalesce(u.active, true))
                             FROM tokenauth.principal p LEFT JOIN users u ON 'user:' || u.id = p.principal
                            WHERE p.principal = $1";
                let works =
                    admin.query_opt(sql, &[&token.owner, &users_are_bound]).unwrap().is_some_and(|row| row.get(0));
                assert!(works, "{} is valid, but {} is gone or inactive", token.target.id, token.owner);
            }
            !["revoked", "unknown"].contains(&verdict.as_str())
        })
        .collect()
}

/// Checks that bound rows are what their principals and memberships are, as far as nobody may have made them differ by
/// hand, and that no membership is left of a principal that is gone.
pub fn drift(admin: &mut Client) {
    let checks = [
        (
            "users",
            "SELECT 'user:' || u.id FROM users u LEFT JOIN tokenauth.principal p ON p.principal = 'user:' || u.id
              WHERE is_bound('users')
                AND (p.principal IS NULL OR p.dropped_at IS NOT NULL
                     OR p.active <> u.active OR p.permissions <> u.held)",
        ),
        (
            "members",
            "SELECT s.member || ' in ' || s.org FROM members s JOIN tokenauth.member m USING (org, member)
              WHERE is_bound('members') AND m.permissions <> s.held",
        ),
        (
            "principals",
            "SELECT m.member || ' in ' || m.org FROM tokenauth.member m
              WHERE NOT EXISTS (SELECT FROM tokenauth.principal p
                                 WHERE p.principal = m.org AND p.dropped_at IS NULL)
                 OR NOT EXISTS (SELECT FROM tokenauth.principal p
                                 WHERE p.principal = m.member AND p.dropped_at IS NULL)",
        ),
    ];
    for (table, sql) in checks {
        let differing: Vec<String> = admin.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert!(differing.is_empty(), "drift of {table}: {differing:?}");
    }
}

/// Checks that after `sync_principals` users have nothing left to repair, and `doctor` agrees.
pub fn sync(admin: &mut Client) {
    if !is_bound(admin, "users") {
        return;
    }
    admin.execute("SELECT tokenauth.sync_principals('users')", &[]).unwrap();
    let again: i64 = admin.query_one("SELECT tokenauth.sync_principals('users')", &[]).unwrap().get(0);
    assert_eq!(again, 0, "sync_principals has something to repair just after sync_principals");
    let sql = "SELECT finding FROM tokenauth.doctor() WHERE object = 'public.users'";
    let findings: Vec<String> = admin.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(findings.is_empty(), "{findings:?}");
}
