//! Tokens that are alive and break a rule that their kind has today, and what ends that.
//!
//! What finds them decides nothing: whatever changes a token locks it first, and asks again whether it is alive.

use pgrx::Uuid;

use super::as_issued::keep_as_issued;
use super::token::life::{ends_at, is_alive, of_kind};
use crate::model::rule::Rule;
use crate::model::scope::Scopes;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// The moment since which a token of kind `k` must have been issued, begun to work, or been used; NULL: none.
macro_rules! idle_limit {
    () => {
        "(clock_timestamp() AT TIME ZONE 'UTC' - k.max_idle) AT TIME ZONE 'UTC'"
    };
}

/// When the token was issued, began to work or was last used, as far as the tables have it. One that was taken over
/// from another system, whose lookup tells so, was used there until then, for all that is known: its id has the moment.
macro_rules! last_needed {
    () => {
        "greatest(t.created_at, t.not_before, u.last_used_at,
                  CASE WHEN t.algorithm NOT IN ('sha256', 'hmac-sha256')
                            OR t.algorithm = 'sha256' AND int8send(t.lookup) = substr(t.digest, 1, 8)
                       THEN to_timestamp(('x' || translate(left(t.id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
                       END)"
    };
}

/// A token that breaks a rule.
pub struct Violation {
    pub id: Uuid,
    pub owner: Text,
    pub kind: Text,
    pub rule: Rule,
    /// When it came to break it, where that is known.
    pub since: Option<Timestamp>,
    pub hint: Option<Text>,
}

/// Every token of this kind, or of any if `None`, with each of these rules that it breaks, by kind and rule. `recent`
/// is what shared memory knows of the uses of tokens, and `beyond` which scopes are beyond the ceiling of their kind.
///
/// Of tokens beyond the maximum of an owner these are the oldest; those that break another of these rules for which
/// they would be revoked do not count towards it.
pub fn find(kind: Option<&Text>, rules: &[Rule], recent: [Argument; 4], beyond: &BeyondCeiling) -> Vec<Violation> {
    static FIND: Statement = Statement::of_all(concat!(
        "WITH alive AS MATERIALIZED (
             SELECT t.id, t.owner, t.kind, t.hint, t.name, t.scopes, t.rotated_to, t.created_at, ",
        ends_at!(),
        "          AS ends_at,
                    greatest(",
        last_needed!(),
        ", m.last_used_at) AS last_needed, ",
        idle_limit!(),
        "          AS idle_limit, k.max_idle, k.name_required, k.max_active_per_owner,
                    -- A maximum that ends beyond the calendar is none, as for new tokens.
                    k.lifetime_required OR coalesce(k.max_lifetime <= '7000 years', false) AS must_end,
                    -- The end of the last day.
                    CASE WHEN k.max_lifetime <= '7000 years'
                         THEN (date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC' + k.max_lifetime)
                               + interval '1 day') AT TIME ZONE 'UTC' END AS latest
               FROM tokenauth.token t
               JOIN tokenauth.principal p ON p.principal = t.owner
               LEFT JOIN tokenauth.usage u ON u.token_id = t.id
               LEFT JOIN unnest($3::uuid[], $4::timestamptz[], $5::bigint[], $6::bigint[])
                         m (token_id, last_used_at, request_count, denied_count) ON m.token_id = t.id",
        of_kind!(),
        "     WHERE (t.kind = $1 OR $1 IS NULL) AND t.deleted_at IS NULL AND ",
        is_alive!(),
        "),
         counted AS (
             SELECT a.*, row_number() OVER (PARTITION BY a.kind, a.owner ORDER BY a.created_at DESC, a.id DESC) AS place
               FROM alive a
              WHERE a.max_active_per_owner IS NOT NULL AND a.rotated_to IS NULL
                AND NOT ('idle' = ANY ($2) AND coalesce(a.last_needed < a.idle_limit, false))),
         broken AS (
             SELECT a.*, r.rule, NULL::timestamptz AS since
               FROM alive a
              CROSS JOIN LATERAL (
                    SELECT 'no_expiry' AS rule WHERE a.must_end AND a.ends_at IS NULL
                    UNION ALL SELECT 'lifetime' WHERE a.ends_at > a.latest
                    UNION ALL SELECT 'name' WHERE a.name_required AND coalesce(a.name !~ '[^[:space:]]', true)
                    UNION ALL SELECT 'ceiling'
                               WHERE (a.kind, a.scopes) IN (SELECT * FROM unnest($7::text[], $8::text[]))) r
             UNION ALL
             SELECT t.*, 'idle', (t.last_needed AT TIME ZONE 'UTC' + t.max_idle) AT TIME ZONE 'UTC'
               FROM alive t WHERE t.last_needed < t.idle_limit)
         SELECT id, owner, kind, rule, since, hint
           FROM (SELECT id, owner, kind, rule, since, hint FROM broken
                 UNION ALL
                 SELECT id, owner, kind, 'maximum', NULL, hint FROM counted WHERE place > max_active_per_owner) found
          WHERE rule = ANY ($2)
          ORDER BY kind, array_position($2, rule), id",
    ));
    let names: TextArray = rules.iter().map(|rule| rule.as_str()).collect();
    let [tokens, last_used, requests, denials] = recent;
    let arguments = [
        Argument::of(kind.cloned()),
        Argument::of(names),
        tokens,
        last_used,
        requests,
        denials,
        Argument::of(beyond.kinds()),
        Argument::of(beyond.scopes()),
    ];
    let read = |row: &Row| Violation {
        id: row.required(1),
        owner: row.required(2),
        kind: row.required(3),
        rule: row.bytes(4).and_then(Rule::parse).unwrap_or(Rule::Name),
        since: row.optional(5),
        hint: row.optional(6),
    };
    FIND.all(&arguments, read)
}

/// Lists of scopes that tokens were granted and that go beyond the ceiling of their kind, with what is left of each.
#[derive(Default)]
pub struct BeyondCeiling(Vec<Cut>);

struct Cut {
    kind: Text,
    scopes: Text,
    left: Text,
}

impl BeyondCeiling {
    /// Those of this kind, or of any if `None`.
    pub fn find(kind: Option<&Text>) -> Self {
        static LISTS: Statement = Statement::of_all(
            "SELECT DISTINCT t.kind, t.scopes
               FROM tokenauth.token t
               JOIN tokenauth.kind k ON k.name = t.kind
              WHERE (t.kind = $1 OR $1 IS NULL) AND k.ceiling IS NOT NULL AND t.scopes IS NOT NULL
                AND k.permission_mode IN ('intersect', 'snapshot') AND t.revoked_at IS NULL",
        );
        let kinds = super::kind::all();
        let lists: Vec<(Text, Text)> =
            LISTS.all(&[Argument::of(kind.cloned())], |row| (row.required(1), row.required(2)));
        let cut = |(kind, scopes): (Text, Text)| {
            let ceiling = kinds.iter().find(|known| known.name == kind)?.ceiling.as_ref()?;
            let granted = super::token::stored_scopes(scopes.as_bytes());
            if granted.within(ceiling) {
                return None;
            }
            let left = granted.intersect(ceiling);
            // What is more than a row may hold stays as it is: the ceiling cuts it at each use.
            let left = if left.len() > Scopes::MAX { scopes.clone() } else { super::token::scopes_to_store(&left) };
            Some(Cut { kind, scopes, left })
        };
        BeyondCeiling(lists.into_iter().filter_map(cut).collect())
    }

    fn kinds(&self) -> TextArray {
        self.0.iter().map(|cut| cut.kind.clone()).collect()
    }

    fn scopes(&self) -> TextArray {
        self.0.iter().map(|cut| cut.scopes.clone()).collect()
    }

    /// What is left of each list that tokens of this kind have: a document, in which it is found by the list.
    fn left(&self, kind: &Text) -> Jsonb {
        let of_kind = self.0.iter().filter(|cut| cut.kind == *kind && cut.left != cut.scopes);
        let left: serde_json::Map<_, _> = of_kind.map(|cut| (cut.scopes.shown(), cut.left.shown().into())).collect();
        Jsonb::of(&left.into())
    }
}

/// Those of these tokens that are alive, locked in the order of their ids.
macro_rules! locked {
    () => {
        concat!(
            "WITH locked AS MATERIALIZED (
                 SELECT t.id
                   FROM tokenauth.token t
                   JOIN tokenauth.principal p ON p.principal = t.owner",
            of_kind!(),
            "     WHERE t.id = ANY ($1) AND ",
            is_alive!(),
            "     ORDER BY t.id
                    FOR NO KEY UPDATE OF t)"
        )
    };
}

/// Lowers the expiry of those of these tokens that are alive to this moment; returns how many.
pub fn lower_expiry(tokens: &[Uuid], to: Timestamp) -> u64 {
    static LOWER: Statement = Statement::by_key(concat!(
        locked!(),
        "UPDATE tokenauth.token t SET expires_at = $2
           FROM locked WHERE t.id = locked.id AND (t.expires_at IS NULL OR t.expires_at > $2)"
    ))
    .repeated();
    keep_as_issued(tokens);
    LOWER.run(arguments![tokens.to_vec(), to])
}

/// Cuts the scopes of those of these tokens of a kind that are alive to its ceiling; returns how many.
pub fn cut(tokens: &[Uuid], kind: &Text, beyond: &BeyondCeiling) -> u64 {
    static CUT: Statement = Statement::by_key(concat!(
        locked!(),
        "UPDATE tokenauth.token t SET scopes = $3 ->> t.scopes
           FROM locked WHERE t.id = locked.id AND t.kind = $2 AND $3 ? t.scopes"
    ))
    .repeated();
    keep_as_issued(tokens);
    CUT.run(arguments![tokens.to_vec(), kind.clone(), beyond.left(kind)])
}

fn keep_as_issued(tokens: &[Uuid]) {
    static KEEP: Statement = Statement::by_key(keep_as_issued!("SELECT unnest($1::uuid[])")).repeated();
    KEEP.run(arguments![tokens.to_vec()]);
}

/// Revokes those of these tokens that are alive; returns their ids.
pub fn revoke(tokens: &[Uuid], by: &Text, reason: &Text) -> Vec<Uuid> {
    static REVOKE: Statement = Statement::by_key(concat!(
        locked!(),
        "UPDATE tokenauth.token t
            SET revoked_at = clock_timestamp(), revoked_by = $2, revoke_reason = $3, sealed = NULL, seal = NULL
           FROM locked WHERE t.id = locked.id
         RETURNING t.id"
    ))
    .repeated();
    REVOKE.all(arguments![tokens.to_vec(), by.clone(), reason.clone()], |row| row.required(1))
}

/// What one page of tokens has come to.
#[derive(Default)]
pub struct Page {
    /// The last token of it; `None`: it was the last page.
    pub last: Option<Uuid>,
    /// The tokens that were revoked, with their kinds.
    pub died: Vec<(Uuid, Text)>,
}

/// Goes through at most `most` tokens in the order of their ids, from the one after this on: of this kind, or of any if
/// `None`. Revokes those that were neither issued nor used within the `max_idle` of their kind, if all uses were
/// counted since a moment before that. What others have locked is left for another time.
pub fn revoke_idle(
    kind: Option<&Text>,
    after: Uuid,
    most: i64,
    counted_since: Timestamp,
    by: &Text,
    reason: &Text,
) -> Page {
    static REVOKE: Statement = Statement::by_key(concat!(
        "WITH page AS MATERIALIZED (
             SELECT t.id FROM tokenauth.token t WHERE t.id > $2 AND (t.kind = $1 OR $1 IS NULL) ORDER BY t.id LIMIT $3),
         idle AS MATERIALIZED (
             SELECT t.id
               FROM page
               JOIN tokenauth.token t ON t.id = page.id
               JOIN tokenauth.principal p ON p.principal = t.owner
               JOIN tokenauth.kind k ON k.name = t.kind
               LEFT JOIN tokenauth.usage u ON u.token_id = t.id
              WHERE ",
        idle_limit!(),
        " >= $4
                -- In this order: what memory knows is asked of those alone that seem idle.
                AND CASE WHEN ",
        last_needed!(),
        " < ",
        idle_limit!(),
        " AND ",
        is_alive!(),
        "                THEN coalesce((tokenauth.recent_usage(t.id)).last_used_at < ",
        idle_limit!(),
        ", true)         ELSE false END
              ORDER BY t.id
                FOR NO KEY UPDATE OF t SKIP LOCKED),
         died AS (
             UPDATE tokenauth.token t
                SET revoked_at = clock_timestamp(), revoked_by = $5, revoke_reason = $6, sealed = NULL, seal = NULL
               FROM idle WHERE t.id = idle.id
             RETURNING t.id, t.kind)
         SELECT last.id, died.id, died.kind
           FROM (SELECT (SELECT id FROM page ORDER BY id OFFSET $3 - 1 LIMIT 1) AS id) last LEFT JOIN died ON true
          ORDER BY died.kind, died.id"
    ))
    .repeated();
    let arguments = arguments![kind.cloned(), after, most, counted_since, by.clone(), reason.clone()];
    let mut page = Page::default();
    for (last, died) in REVOKE.all(arguments, |row| (row.optional(1), row.optional(2).zip(row.optional(3)))) {
        page.last = last;
        page.died.extend(died);
    }
    page
}
