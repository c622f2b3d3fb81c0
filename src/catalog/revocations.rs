//! Carries out deaths that another copy of the database has exported. Each keeps the moment at which it happened there,
//! and the one at which this copy learned of it, by which later exports pass it on.

use crate::catalog::as_issued::keep_as_issued;
use crate::catalog::token::life::survives;
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::Statement;

/// How many tokens an import has changed.
pub struct Changed {
    /// Tokens revoked, or deleted although revoked before.
    pub revoked: i64,
    /// Tokens disabled.
    pub disabled: i64,
    /// Tokens whose expiry was lowered.
    pub shortened: i64,
    /// Children of tokens revoked by themselves.
    pub children: i64,
}

/// The tokens that mass deaths cover, and that no mass death here has killed.
macro_rules! covered {
    () => {
        concat!(
            "  FROM tokenauth_dead d
               JOIN tokenauth.principal p ON p.principal = d.owner COLLATE \"C\"
               JOIN tokenauth.token t ON t.owner = p.principal
              WHERE t.id < d.first_id AND (d.covers = 'all' OR t.dies_with_owner) AND ",
            survives!()
        )
    };
}

/// How many of the named tokens and principals do not exist.
pub fn unknown(named: &Rows) -> i64 {
    static COUNT: Statement = Statement::by_key(
        "SELECT count(*)
           FROM (SELECT DISTINCT id, principal COLLATE \"C\" AS principal FROM tokenauth_named) n
          WHERE NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.id = n.id)
            AND NOT EXISTS (SELECT FROM tokenauth.principal p WHERE p.principal = n.principal)",
    );
    COUNT.first_over(named, &[], |row| row.required(1)).unwrap_or(0)
}

/// Locks, in the order of their ids, the tokens among `named` and those that the mass deaths `dead` cover: what follows
/// changes them in several statements, each of which goes through the ids anew.
pub fn hold(named: &Rows, dead: &Rows) {
    static HOLD: Statement = Statement::by_key(concat!(
        "SELECT count(*)
           FROM (SELECT
                   FROM (SELECT id FROM tokenauth_named WHERE id IS NOT NULL
                         UNION
                         SELECT t.id ",
        covered!(),
        ") n
                   JOIN tokenauth.token t ON t.id = n.id
                  ORDER BY t.id
                    FOR NO KEY UPDATE OF t) held"
    ))
    .repeated();
    HOLD.run_over(&[named, dead], &[]);
}

/// Revokes or deletes each of these tokens, and returns how many it has changed.
pub fn kill(dead: &Rows) -> i64 {
    // Locks rows in the order of their ids.
    static KILL: Statement = Statement::by_key(
        "WITH told AS MATERIALIZED (SELECT DISTINCT ON (id) * FROM tokenauth_dead ORDER BY id, deleted DESC, at),
         held AS MATERIALIZED (
             SELECT t.id, d.at, d.by, d.reason, d.deleted
               FROM told d
               JOIN tokenauth.token t ON t.id = d.id
              WHERE t.revoked_at IS NULL OR d.deleted AND t.deleted_at IS NULL
              ORDER BY t.id
                FOR NO KEY UPDATE OF t),
         killed AS (
             UPDATE tokenauth.token t
                SET revoked_at = coalesce(t.revoked_at, h.at),
                    revoked_by = CASE WHEN t.revoked_at IS NULL THEN h.by ELSE t.revoked_by END,
                    revoke_reason = CASE WHEN t.revoked_at IS NULL THEN h.reason ELSE t.revoke_reason END,
                    deleted_at = CASE WHEN h.deleted THEN coalesce(t.deleted_at, h.at) ELSE t.deleted_at END,
                    sealed = NULL, seal = NULL, learned_at = clock_timestamp()
               FROM held h
              WHERE t.id = h.id)
         SELECT count(*) FROM held",
    )
    .repeated();
    KILL.first_over(dead, &[], |row| row.required(1)).unwrap_or(0)
}

/// Revokes the tokens of owners that were issued before a moment, except those already dead. Returns how many.
pub fn kill_all(dead: &Rows) -> i64 {
    // Compares ids, which hold the time of issue: epochs do not tell which tokens were issued here since.
    static KILL: Statement = Statement::by_key(concat!(
        "WITH told AS MATERIALIZED (
             SELECT DISTINCT ON (t.id) t.id, d.at, d.by, d.reason ",
        covered!(),
        " ORDER BY t.id, d.at),
         held AS MATERIALIZED (
             SELECT t.id, d.at, d.by, d.reason
               FROM told d
               JOIN tokenauth.token t ON t.id = d.id
              WHERE t.revoked_at IS NULL
              ORDER BY t.id
                FOR NO KEY UPDATE OF t),
         killed AS (
             UPDATE tokenauth.token t
                SET revoked_at = h.at, revoked_by = h.by, revoke_reason = h.reason, sealed = NULL, seal = NULL,
                    learned_at = clock_timestamp()
               FROM held h
              WHERE t.id = h.id)
         SELECT count(*) FROM held",
    ))
    .repeated();
    KILL.first_over(dead, &[], |row| row.required(1)).unwrap_or(0)
}

/// Disables tokens that are neither revoked nor disabled, and returns how many.
pub fn disable(received: &Rows) -> i64 {
    static DISABLE: Statement = Statement::by_key(
        "WITH held AS MATERIALIZED (
             SELECT t.id, d.at
               FROM (SELECT id, min(at) AS at FROM tokenauth_told GROUP BY id) d
               JOIN tokenauth.token t ON t.id = d.id
              WHERE t.disabled_at IS NULL AND t.revoked_at IS NULL
              ORDER BY t.id
                FOR NO KEY UPDATE OF t),
         disabled AS (
             UPDATE tokenauth.token t SET disabled_at = h.at, learned_at = clock_timestamp()
               FROM held h WHERE t.id = h.id)
         SELECT count(*) FROM held",
    )
    .repeated();
    DISABLE.first_over(received, &[], |row| row.required(1)).unwrap_or(0)
}

/// Lowers expiries, never raising one, and returns how many.
pub fn shorten(received: &Rows) -> i64 {
    static SHORTEN: Statement = Statement::by_key(concat!(
        "WITH held AS MATERIALIZED (
             SELECT t.id, d.at
               FROM (SELECT id, min(at) AS at FROM tokenauth_told GROUP BY id) d
               JOIN tokenauth.token t ON t.id = d.id
              WHERE (t.expires_at IS NULL OR t.expires_at > d.at) AND t.revoked_at IS NULL
              ORDER BY t.id
                FOR NO KEY UPDATE OF t),
         kept AS (",
        keep_as_issued!("SELECT id FROM held"),
        "),
         shortened AS (
             UPDATE tokenauth.token t SET expires_at = h.at, learned_at = clock_timestamp()
               FROM held h WHERE t.id = h.id)
         SELECT count(*) FROM held",
    ))
    .repeated();
    SHORTEN.first_over(received, &[], |row| row.required(1)).unwrap_or(0)
}
