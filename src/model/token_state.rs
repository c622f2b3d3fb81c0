//! The one rule of life: whether a token works, and why not.
//!
//! Its SQL is in `catalog/token/life.rs`, for lists and sets of tokens.

use pgrx::datum::Interval;

use crate::model::verdict::Verdict;
use crate::pg::types::clock::Timestamp;

/// What a token's own row and its kind say about its life.
#[derive(Clone, Copy, Debug)]
pub struct TokenState {
    /// Whether it was revoked itself, not by a mass death.
    pub revoked: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Whether it dies when its owner is deactivated.
    pub dies_with_owner: bool,
    /// The epoch of its owner when it was issued.
    pub owner_epoch: i32,
    /// When it starts working; `None`: at once.
    pub not_before: Option<Timestamp>,
    /// When it stops working; `None`: never. See [`earlier_end`].
    pub ends_at: Option<Timestamp>,
}

/// What a token's own row says about its life. When the token ends depends on its kind too.
#[derive(Clone, Copy, Debug)]
pub struct StoredState {
    /// All but that, with its expiry as it is stored.
    state: TokenState,
    created_at: Timestamp,
}

impl StoredState {
    /// Of a token that was issued at this moment, with its expiry as the end.
    pub fn new(state: TokenState, created_at: Timestamp) -> Self {
        StoredState { state, created_at }
    }

    /// The state of a token of a kind whose tokens grow as old as this.
    pub fn of_kind(self, max_age: Option<&Interval>) -> TokenState {
        TokenState { ends_at: earlier_end(self.state.ends_at, self.created_at, max_age), ..self.state }
    }
}

/// When a token stops working: at its expiry, or when it is as old as its kind lets tokens grow, whichever is first;
/// `None`: never. Whatever shows or judges an end asks here, or says it in the same words in SQL.
pub fn earlier_end(
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    max_age: Option<&Interval>,
) -> Option<Timestamp> {
    let too_old = max_age.and_then(|max_age| created_at.plus(max_age));
    match (expires_at, too_old) {
        (Some(expiry), Some(too_old)) => Some(expiry.min(too_old)),
        (expiry, too_old) => expiry.or(too_old),
    }
}

/// What its owner's row says about the life of tokens.
#[derive(Clone, Copy, Debug)]
pub struct OwnerState {
    /// Whether its tokens work.
    pub active: bool,
    /// Whether it was dropped: the row is a tombstone.
    pub dropped: bool,
    /// Tokens issued in an earlier epoch are dead.
    pub all_dead_before: i32,
    /// Tokens issued in an earlier epoch are dead if they die with their owner.
    pub revocable_dead_before: i32,
}

/// The state of a token at a moment, as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    /// It will work again when its owner is active.
    Suspended,
    Disabled,
    NotYetValid,
    Expired,
    /// Dead for good: by itself, by deletion, or with its owner.
    Revoked,
}

impl OwnerState {
    /// The epochs before which its tokens are dead: all of them, and those that die with it.
    pub fn dead_before(&self) -> (i32, i32) {
        let all = if self.dropped { i32::MAX } else { self.all_dead_before };
        let revocable = if self.active { self.revocable_dead_before } else { i32::MAX };
        (all, revocable.max(all))
    }

    /// Whether its row alone may keep tokens from working; the index of such principals says so in SQL.
    pub fn may_stop(&self) -> bool {
        !self.active || self.dropped || self.all_dead_before > 0 || self.revocable_dead_before > 0
    }

    fn has_killed(&self, token: &TokenState) -> bool {
        let (all, revocable) = self.dead_before();
        token.owner_epoch < if token.dies_with_owner { revocable } else { all }
    }
}

impl TokenState {
    /// The state at this moment. The order is that of the verdicts.
    pub fn status(&self, owner: &OwnerState, now: Timestamp) -> Status {
        if self.is_dead(owner) {
            Status::Revoked
        } else if self.disabled {
            Status::Disabled
        } else if !has_begun(self.not_before, now) {
            Status::NotYetValid
        } else if self.has_ended(now) {
            Status::Expired
        } else if !owner.active {
            Status::Suspended
        } else {
            Status::Active
        }
    }

    /// Why the token is refused, whoever presents it and whatever for.
    pub fn refusal(&self, owner: &OwnerState, now: Timestamp) -> Option<Verdict> {
        self.status(owner, now).refusal()
    }

    /// Whether it is dead for good, by its own revocation or deletion or by a mass death.
    pub fn is_dead(&self, owner: &OwnerState) -> bool {
        self.revoked || self.deleted || owner.has_killed(self)
    }

    /// Whether it may have this status, whatever its owner's row says.
    pub fn may_be(&self, status: Status, now: Timestamp) -> bool {
        match status {
            Status::Revoked => true,
            Status::Disabled => !self.revoked && self.disabled,
            Status::NotYetValid => !self.revoked && !has_begun(self.not_before, now),
            Status::Expired => !self.revoked && self.has_ended(now),
            Status::Suspended | Status::Active => !self.revoked && !self.disabled,
        }
    }

    /// Whether it has this status only if its owner [may stop](OwnerState::may_stop) tokens. Epochs begin at 0; below
    /// that is what somebody has written by hand.
    pub fn is_for_its_owner(&self, status: Status) -> bool {
        match status {
            Status::Revoked => !self.revoked && !self.deleted && self.owner_epoch >= 0,
            Status::Suspended => true,
            Status::Active | Status::Disabled | Status::NotYetValid | Status::Expired => false,
        }
    }

    /// Whether there is something left to revoke: a disabled or suspended token is alive, unless it has expired as
    /// well.
    pub fn is_alive(&self, owner: &OwnerState, now: Timestamp) -> bool {
        !self.is_dead(owner) && !self.has_ended(now)
    }

    /// Whether it has stopped working.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        has_ended(self.ends_at, now)
    }
}

/// Whether what starts at this moment has started.
pub fn has_begun(not_before: Option<Timestamp>, now: Timestamp) -> bool {
    not_before.is_none_or(|start| start <= now)
}

/// Whether what ends at this moment has ended.
pub fn has_ended(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| end <= now)
}

impl Status {
    /// Every status, in the order in which reports show them.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Suspended, Self::Disabled, Self::NotYetValid, Self::Expired, Self::Revoked];

    /// The one of this name in SQL.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().as_bytes() == name)
    }

    /// The name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Disabled => "disabled",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// The verdict on such a token; `None` if nothing in its life refuses it.
    pub const fn refusal(self) -> Option<Verdict> {
        match self {
            Self::Active => None,
            Self::Suspended => Some(Verdict::OwnerInactive),
            Self::Disabled => Some(Verdict::Disabled),
            Self::NotYetValid => Some(Verdict::NotYetValid),
            Self::Expired => Some(Verdict::Expired),
            Self::Revoked => Some(Verdict::Revoked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100;

    fn moments() -> impl Iterator<Item = Option<Timestamp>> + Clone {
        [0, NOW - 1, NOW, NOW + 1].into_iter().map(Timestamp::of_micros)
    }

    /// Every combination of what the two rows can say, with epochs around each other.
    fn combinations() -> impl Iterator<Item = (TokenState, OwnerState)> {
        let flags = 0..1 << 6;
        let epochs =
            (-1..3_i32).flat_map(|own| (0..3_i32).flat_map(move |all| (0..3_i32).map(move |rest| (own, all, rest))));
        flags.flat_map(move |bits| {
            let flag = move |place: u32| bits & (1 << place) != 0;
            epochs.clone().flat_map(move |(owner_epoch, all_dead_before, revocable_dead_before)| {
                moments().flat_map(move |not_before| {
                    moments().map(move |ends_at| {
                        let token = TokenState {
                            revoked: flag(0),
                            deleted: flag(1),
                            disabled: flag(2),
                            dies_with_owner: flag(3),
                            owner_epoch,
                            not_before,
                            ends_at,
                        };
                        let (active, dropped) = (flag(4), flag(5));
                        (token, OwnerState { active, dropped, all_dead_before, revocable_dead_before })
                    })
                })
            })
        })
    }

    /// The contract's table of verdicts, one condition each; the first that holds decides.
    fn reasons(token: &TokenState, owner: &OwnerState) -> [(bool, Status); 5] {
        let micros = |moment: Option<Timestamp>| moment.map(Timestamp::micros);
        let with_all = owner.dropped || token.owner_epoch < owner.all_dead_before;
        let with_owner = !owner.active || token.owner_epoch < owner.revocable_dead_before;
        let is_dead = token.revoked || token.deleted || with_all || token.dies_with_owner && with_owner;
        [
            (is_dead, Status::Revoked),
            (token.disabled, Status::Disabled),
            (micros(token.not_before).unwrap_or(i64::MIN) > NOW, Status::NotYetValid),
            (micros(token.ends_at).unwrap_or(i64::MAX) <= NOW, Status::Expired),
            (!owner.active, Status::Suspended),
        ]
    }

    #[test]
    fn the_first_reason_decides_in_every_combination() {
        let now = Timestamp::of_micros(NOW).unwrap();
        let mut seen = Vec::new();
        for (token, owner) in combinations() {
            let reasons = reasons(&token, &owner);
            let expected = reasons.into_iter().find(|(holds, _)| *holds).map_or(Status::Active, |(_, why)| why);
            let status = token.status(&owner, now);
            assert_eq!(status, expected, "{token:?} of {owner:?}");
            assert_eq!(token.refusal(&owner, now), status.refusal());
            assert!(token.may_be(status, now), "{token:?} of {owner:?}");
            assert!(owner.may_stop() || !token.is_for_its_owner(status), "{token:?} of {owner:?}");
            let [(is_dead, _), _, _, (has_expired, _), _] = reasons;
            assert_eq!(token.is_alive(&owner, now), !is_dead && !has_expired, "{token:?} of {owner:?}");
            if !seen.contains(&status) {
                seen.push(status);
            }
        }
        assert_eq!(seen.len(), Status::ALL.len());
    }
}
