//! Tokens that are alive and were neither issued nor used since a moment, of all tokens.
//!
//! What shared memory knows of their uses is an argument of the statements, which join it as a set: asked of each
//! token, it would take longer than everything else.

use super::life::{ends_at, status};
use crate::pg::sql::statement::Statement;

/// Such tokens `t`, neither issued nor used since `$1`, with their owners `p` and uses: `u`, of the table, and `m`, of
/// shared memory, from the arrays `$2` to `$5`.
macro_rules! idle {
    () => {
        concat!(
            "  FROM tokenauth.token t
               JOIN tokenauth.principal p ON p.principal = t.owner
               LEFT JOIN tokenauth.usage u ON u.token_id = t.id
               LEFT JOIN unnest($2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[])
                         m (token_id, last_used_at, request_count, denied_count) ON m.token_id = t.id",
            $crate::catalog::token::life::of_kind!(),
            " WHERE t.deleted_at IS NULL
                AND t.created_at < $1
                AND coalesce(greatest(u.last_used_at, m.last_used_at) < $1, true)
                -- As one condition: of several, the planner would expect that few tokens fulfil all.
                AND CASE WHEN ",
            $crate::catalog::token::life::is_alive!(),
            "            THEN true ELSE false END"
        )
    };
}
pub(crate) use idle;

/// Their rows in the view `tokenauth.tokens`, the longest idle first; `$6` is now. What is alive shows no death.
pub static IDLE: Statement = Statement::of_all(concat!(
    "SELECT ",
    status!("$6"),
    " AS status, t.hint, t.owner, t.name, t.kind, ",
    ends_at!(),
    "   AS expires_at,
        greatest(u.last_used_at, m.last_used_at) AS last_used_at,
        coalesce(u.request_count, 0) + coalesce(m.request_count, 0) AS request_count,
        coalesce(u.denied_count, 0) + coalesce(m.denied_count, 0) AS denied_count,
        t.created_at, t.created_by, t.description, string_to_array(t.scopes, ' ') AS scopes,
        t.data_scopes, t.not_before, t.networks,
        NULL::timestamptz AS revoked_at, NULL::text AS revoked_by, NULL::text AS revoke_reason,
        t.rotated_from, t.metadata, t.id",
    idle!(),
    " ORDER BY greatest(t.created_at, u.last_used_at, m.last_used_at), t.id",
));
