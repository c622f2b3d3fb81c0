//! The rule of life in SQL, as parts of statements over the token `t` of the owner `p` and the kind `k`. In Rust it is
//! `model/token_state.rs`; the view `tokenauth.tokens` says it in the same words as here.

/// Joins the kind of the token. A token is never passed over for want of it.
macro_rules! of_kind {
    () => {
        " LEFT JOIN tokenauth.kind k ON k.name = t.kind "
    };
}
pub(crate) use of_kind;

/// When the token stops working, by its expiry or by its age; NULL: never. Whatever shows or judges an end says it so.
macro_rules! ends_at {
    () => {
        "least(t.expires_at, (t.created_at AT TIME ZONE 'UTC' + k.max_age) AT TIME ZONE 'UTC')"
    };
}
pub(crate) use ends_at;

/// That the token itself was not revoked, nor deleted, and has not expired.
macro_rules! is_not_over {
    () => {
        concat!(
            "t.revoked_at IS NULL AND (",
            $crate::catalog::token::life::ends_at!(),
            " IS NULL OR ",
            $crate::catalog::token::life::ends_at!(),
            " > clock_timestamp())"
        )
    };
}
pub(crate) use is_not_over;

/// That no mass death has killed the token. Where the owner's row is not read, its epochs are given, as
/// [`OwnerState::dead_before`](crate::model::token_state::OwnerState::dead_before) has them.
macro_rules! survives {
    () => {
        "p.dropped_at IS NULL
         AND t.owner_epoch >= p.all_dead_before_epoch
         AND (NOT t.dies_with_owner OR p.active AND t.owner_epoch >= p.revocable_dead_before_epoch)"
    };
    ($all:literal, $revocable:literal) => {
        concat!("t.owner_epoch >= ", $all, " AND (NOT t.dies_with_owner OR t.owner_epoch >= ", $revocable, ")")
    };
}
pub(crate) use survives;

/// That the token is alive: neither dead nor expired. Takes epochs as [`survives`] does, or one of them where the
/// statement selects the tokens that it is for.
macro_rules! is_alive {
    ($epoch:literal) => {
        concat!($crate::catalog::token::life::is_not_over!(), " AND t.owner_epoch >= ", $epoch)
    };
    ($($epochs:literal),*) => {
        concat!(
            $crate::catalog::token::life::is_not_over!(),
            " AND ",
            $crate::catalog::token::life::survives!($($epochs),*)
        )
    };
}
pub(crate) use is_alive;

/// Its status at a moment.
macro_rules! status {
    ($now:literal) => {
        concat!(
            "CASE WHEN NOT (t.revoked_at IS NULL AND ",
            $crate::catalog::token::life::survives!(),
            ") THEN 'revoked'
             WHEN t.disabled_at IS NOT NULL THEN 'disabled'
             WHEN t.not_before > ",
            $now,
            " THEN 'not_yet_valid' WHEN ",
            $crate::catalog::token::life::ends_at!(),
            " <= ",
            $now,
            " THEN 'expired' WHEN NOT p.active THEN 'suspended' ELSE 'active' END"
        )
    };
}
pub(crate) use status;

/// That the mass death `d`, if there is one, is the death that the token shows, not its own revocation.
macro_rules! died_with_others {
    () => {
        "d.at < t.revoked_at OR t.revoked_at IS NULL"
    };
}
pub(crate) use died_with_others;

/// That the expiry of the token is on a day between those of two moments: an index has the days. The moments themselves
/// are for the caller to compare.
macro_rules! ends_between_days_of {
    ($first:literal, $last:literal) => {
        concat!(
            "(t.expires_at AT TIME ZONE 'UTC')::date BETWEEN ((",
            $first,
            ")::timestamptz AT TIME ZONE 'UTC')::date AND ((",
            $last,
            ")::timestamptz AT TIME ZONE 'UTC')::date"
        )
    };
}
pub(crate) use ends_between_days_of;

/// Of the tokens of kinds with a `max_age`, the row `k` of each with its tokens `t`. While there are no such kinds,
/// which is asked once, no token is read.
macro_rules! of_kinds_with_age {
    () => {
        " FROM tokenauth.kind k
          JOIN tokenauth.token t ON t.kind = k.name AND k.max_age IS NOT NULL
           AND (SELECT EXISTS (SELECT FROM tokenauth.kind aging WHERE aging.max_age IS NOT NULL)) "
    };
}
pub(crate) use of_kinds_with_age;

/// The ids of all tokens that may stop working between two moments, some of them twice, and of others.
macro_rules! may_end_between_days_of {
    ($first:literal, $last:literal) => {
        concat!(
            "SELECT t.id FROM tokenauth.token t WHERE ",
            $crate::catalog::token::life::ends_between_days_of!($first, $last),
            " UNION ALL SELECT t.id",
            $crate::catalog::token::life::of_kinds_with_age!(),
            "WHERE ",
            $crate::catalog::token::life::ends_at!(),
            " BETWEEN ",
            $first,
            " AND ",
            $last
        )
    };
}
pub(crate) use may_end_between_days_of;

/// That `t`, a row of the view, is alive. Its status does not tell: a disabled token may have expired as well.
macro_rules! is_seen_alive {
    () => {
        "t.status <> 'revoked' AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())"
    };
}
pub(crate) use is_seen_alive;

/// That the mass death `m` has killed the token, unless it was dead before.
macro_rules! is_killed_by {
    () => {
        "m.owner = t.owner AND m.epoch > t.owner_epoch AND (m.covers = 'all' OR t.dies_with_owner)"
    };
}
pub(crate) use is_killed_by;

#[cfg(test)]
mod tests {
    use crate::model::token_state::Status;

    #[test]
    fn the_view_says_the_same() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let view = words(include_str!("../../../sql/schema/views.sql"));
        for part in [
            status!("c.now"),
            concat!("WHEN ", died_with_others!(), " THEN d.at ELSE t.revoked_at END AS revoked_at"),
            concat!("WHEN ", died_with_others!(), " THEN d.reason ELSE t.revoke_reason END AS revoke_reason"),
            concat!(ends_at!(), " AS expires_at, greatest"),
            of_kind!(),
            concat!("WHERE ", is_killed_by!(), " ORDER BY m.epoch"),
        ] {
            assert!(view.contains(&words(part)), "the view has {part}");
        }
        for status in Status::ALL {
            let name = status.as_str();
            assert!(view.contains(&format!(" '{name}'")), "the view knows {name}");
        }
    }
}
