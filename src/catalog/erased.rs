//! Forgetting a principal: its id, and whatever else could tell whose tokens and history these were, in every table.
//!
//! The table `tokenauth.erased` has the tokens concerned: what is known of their uses elsewhere may arrive later. The
//! table `tokenauth.erased_id` has digests of the ids: none is put again, by a table that is restored or bound anew.

use std::collections::HashSet;

use pgrx::Uuid;

use super::event::append_only::Unlocked;
use crate::pg::roles::extension::Extension;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::{Argument, Statement, arguments, run_command};
use crate::pg::transaction::name_lock;
use crate::pg::types::text::Text;

/// The members of the documents of events that may tell whose they are.
macro_rules! told {
    () => {
        "'{name,description,metadata,networks,reason,display_name,state_reason,label,url,source}'::text[]"
    };
}

/// A document with the principal `$1` replaced by `$2`, wherever it is an element or a member by itself.
macro_rules! renamed {
    ($document:literal) => {
        concat!("replace((", $document, ")::text, to_jsonb($1::text)::text, to_jsonb($2::text)::text)::jsonb")
    };
}

/// Whether a document mentions the principal `$1`.
macro_rules! mentions {
    ($document:literal) => {
        concat!("position(to_jsonb($1::text)::text IN ", $document, "::text) > 0")
    };
}

/// Whether the installed extension has the tables: databases of before 0.2.0 do not.
pub fn exists() -> bool {
    Extension::installed().has_relation(c"erased")
}

/// What the table `tokenauth.erased_id` has of a principal's id: enough to refuse it, and no text of it.
macro_rules! digest_of {
    ($principal:literal) => {
        concat!("sha256(convert_to(", $principal, ", getdatabaseencoding()))")
    };
}

static IDS: UniqueIndex = UniqueIndex::new(c"erased_id", c"erased_id_pkey", 1);

/// Whether any id may have been erased. Usually none was.
pub fn may_be_ids() -> bool {
    exists() && IDS.index().has_entries()
}

/// Whether this id is of a principal that was erased.
pub fn is_id(principal: &Text) -> bool {
    static FIND: Statement =
        Statement::by_key(concat!("SELECT FROM tokenauth.erased_id WHERE digest = ", digest_of!("$1")));
    may_be_ids() && FIND.run(arguments![principal.clone()]) > 0
}

/// One of the principals in these rows, `tokenauth_put`, that was erased, if any was.
pub fn id_among(put: &Rows) -> Option<Text> {
    static FIND: Statement = Statement::by_key(concat!(
        "SELECT c.principal
           FROM tokenauth_put c
           JOIN tokenauth.erased_id e ON e.digest = ",
        digest_of!("c.principal"),
        " ORDER BY c.principal LIMIT 1"
    ));
    if may_be_ids() { FIND.first_over(put, &[], |row| row.required(1)) } else { None }
}

/// Replaces the principal `name`, which is dropped and locked, by `by`, and clears what could tell who it was. Returns
/// its tokens, and how many rows were changed.
pub fn erase(name: &Text, by: &Text, _unlocked: &Unlocked) -> (Vec<Uuid>, u64) {
    static TOKENS: Statement =
        Statement::by_key("SELECT id FROM tokenauth.token WHERE owner = $1 ORDER BY id FOR NO KEY UPDATE").repeated();
    static PRINCIPAL: Statement = Statement::by_key(
        "UPDATE tokenauth.principal
            SET principal = $2, permissions = '{}', data_scopes = '{}', display_name = NULL, state_reason = NULL
          WHERE principal = $1",
    )
    .repeated();
    // Also tokens of others that it has issued or revoked.
    static IN_TOKENS: Statement = Statement::new(
        "UPDATE tokenauth.token
            SET owner = CASE owner WHEN $1 THEN $2 ELSE owner END,
                created_by = CASE created_by WHEN $1 THEN $2 ELSE created_by END,
                revoked_by = CASE revoked_by WHEN $1 THEN $2 ELSE revoked_by END,
                name = CASE owner WHEN $1 THEN NULL ELSE name END,
                description = CASE owner WHEN $1 THEN NULL ELSE description END,
                metadata = CASE owner WHEN $1 THEN NULL ELSE metadata END,
                networks = CASE owner WHEN $1 THEN NULL ELSE networks END,
                revoke_reason = CASE owner WHEN $1 THEN NULL ELSE revoke_reason END,
                sealed = CASE owner WHEN $1 THEN NULL ELSE sealed END,
                seal = CASE owner WHEN $1 THEN NULL ELSE seal END
          WHERE owner = $1 OR created_by = $1 OR revoked_by = $1",
    )
    .repeated();
    static IN_DEATHS: Statement = Statement::new(
        "UPDATE tokenauth.mass_death
            SET owner = CASE owner WHEN $1 THEN $2 ELSE owner END,
                by = CASE by WHEN $1 THEN $2 ELSE by END,
                reason = CASE owner WHEN $1 THEN NULL ELSE reason END
          WHERE owner = $1 OR by = $1",
    )
    .repeated();
    static IN_USAGE: Statement = Statement::by_key(
        "UPDATE tokenauth.usage SET last_client = NULL WHERE token_id = ANY ($1) AND last_client IS NOT NULL",
    )
    .repeated();
    static IN_HOURS: Statement = Statement::by_key(
        "UPDATE tokenauth.usage_hourly SET networks = '{}' WHERE token_id = ANY ($1) AND networks <> '{}'",
    )
    .repeated();
    static AS_ISSUED: Statement = Statement::by_key(concat!(
        "UPDATE tokenauth.as_issued SET after = ",
        renamed!("after - '{name,description,metadata,networks}'::text[]"),
        " WHERE token_id = ANY ($3)"
    ))
    .repeated();
    static LATER: Statement =
        Statement::new("INSERT INTO tokenauth.erased (token_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING")
            .repeated();
    static NEVER_AGAIN: Statement = Statement::by_key(concat!(
        "INSERT INTO tokenauth.erased_id (digest) VALUES (",
        digest_of!("$1"),
        ") ON CONFLICT DO NOTHING"
    ))
    .repeated();
    let tokens: Vec<Uuid> = TOKENS.all(arguments![name.clone()], |row| row.required(1));
    let of_tokens = || Argument::of(tokens.clone());
    let names = || [Argument::of(name.clone()), Argument::of(by.clone())];
    let with_tokens = || [Argument::of(name.clone()), Argument::of(by.clone()), of_tokens()];
    LATER.run(&[of_tokens()]);
    NEVER_AGAIN.run(arguments![name.clone()]);
    // Waits for what is being written of uses and denials; what is written later finds that the owner was erased.
    name_lock::hold_alone(name_lock::USES);
    let rows = PRINCIPAL.run(&names())
        + IN_TOKENS.run(&names())
        + IN_DEATHS.run(&names())
        + IN_USAGE.run(&[of_tokens()])
        + IN_HOURS.run(&[of_tokens()])
        + AS_ISSUED.run(&with_tokens())
        + IN_EVENTS.run(&with_tokens());
    (tokens, rows)
}

/// Of the events that are its own or of its tokens, and of those that it has caused, all that was typed is cleared.
static IN_EVENTS: Statement = Statement::looking_in_arrays(concat!(
    "UPDATE tokenauth.event e
        SET owner = CASE e.owner WHEN $1 THEN $2 ELSE e.owner END,
            actor = CASE e.actor WHEN $1 THEN $2 ELSE e.actor END,
            acting_label = CASE WHEN is_its_own THEN NULL ELSE e.acting_label END,
            client = CASE WHEN is_its_own THEN NULL ELSE e.client END,
            before = ",
    renamed!("CASE WHEN is_its_own THEN e.before - told ELSE e.before END"),
    ",       after = ",
    renamed!("CASE WHEN is_its_own THEN e.after - told ELSE e.after END"),
    "   FROM (SELECT o.id,
                   o.owner = $1 OR o.actor = $1 OR o.token_id = ANY ($3) OR o.acting_token = ANY ($3) AS is_its_own,
                   ",
    told!(),
    "             AS told
              FROM tokenauth.event o
             WHERE o.owner = $1 OR o.actor = $1 OR o.token_id = ANY ($3) OR o.acting_token = ANY ($3) OR ",
    mentions!("o.before"),
    " OR ",
    mentions!("o.after"),
    "       ) found (id, is_its_own, told)
      WHERE e.id = found.id"
))
.repeated();

/// Has the planner's statistics made anew: they hold values of columns, and so may hold what was erased.
pub fn analyze() {
    run_command(
        "ANALYZE tokenauth.principal, tokenauth.member, tokenauth.token, tokenauth.mass_death, tokenauth.event, \
         tokenauth.as_issued, tokenauth.usage, tokenauth.usage_hourly",
    );
}

/// Those of these tokens whose owner was erased.
pub fn among<'a>(tokens: impl Iterator<Item = &'a [u8; 16]>) -> HashSet<[u8; 16]> {
    static ANY: Statement = Statement::new("SELECT FROM tokenauth.erased LIMIT 1");
    static AMONG: Statement = Statement::by_key("SELECT token_id FROM tokenauth.erased WHERE token_id = ANY ($1)");
    // Usually there are none.
    if !exists() || ANY.run(&[]) == 0 {
        return HashSet::new();
    }
    let tokens: Vec<Uuid> = tokens.map(|token| Uuid::from_bytes(*token)).collect();
    AMONG.all(arguments![tokens], |row| *row.required::<Uuid>(1).as_bytes()).into_iter().collect()
}

/// Forgets tokens that were removed since.
pub fn forget_removed() {
    static FORGET: Statement = Statement::new(
        "DELETE FROM tokenauth.erased e WHERE NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.id = e.token_id)",
    );
    if exists() {
        FORGET.run(&[]);
    }
}
