//! All the tokens that one principal may see or revoke, whoever owns them.

use std::collections::BTreeMap;

use super::{Acting, Authority};
use crate::access::actor::Actor;
use crate::catalog::principal::Hold;
use crate::catalog::token::page::{Kinds, Listed};
use crate::catalog::{kind, member};
use crate::error::Error;
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::statement::{Argument, fields};
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;

/// The tokens a principal reaches, by kind: its own, those of its organisations, and everybody's.
#[derive(Default)]
pub struct Reach {
    own_kinds: Vec<Text>,
    organisations: Vec<Text>,
    /// The kind that belongs to each element of `organisations`.
    their_kinds: Vec<Text>,
    everybodys_kinds: Vec<Text>,
}

impl Reach {
    /// The tokens that an actor of this name may see.
    ///
    /// # Errors
    /// As [`Acting::lock`].
    pub fn to_see(actor: &Actor, name: &PrincipalName) -> Result<Self, Error> {
        let acting = Acting::lock(actor, name, Hold::Look)?;
        Ok(Reach::of(&acting, name, Hold::Look, |authority, kind| authority.may_manage(kind).is_ok()))
    }

    /// The tokens that it may revoke; its memberships cannot change until the transaction ends. The caller has locked
    /// the actor, and the owner if only one is concerned.
    pub fn to_revoke(acting: &Acting, name: &PrincipalName) -> Self {
        Reach::of(acting, name, Hold::Share, |authority, kind| authority.may_revoke(kind).is_ok())
    }

    fn of(
        acting: &Acting,
        name: &PrincipalName,
        hold: Hold,
        may: impl Fn(Authority, &crate::model::kind::Kind) -> bool,
    ) -> Self {
        let memberships = member::organisations(name, hold);
        let mut reach = Reach::default();
        for kind in kind::all() {
            let reaches = |is_owner, membership| may(Authority::weigh(&kind, is_owner, acting, || membership), &kind);
            if reaches(true, None) {
                reach.own_kinds.push(kind.name.clone());
            }
            if reaches(false, None) {
                reach.everybodys_kinds.push(kind.name.clone());
            }
            for (organisation, held) in &memberships {
                if reaches(false, Some(held.clone())) {
                    reach.organisations.push(organisation.clone());
                    reach.their_kinds.push(kind.name.clone());
                }
            }
        }
        reach
    }

    /// Whether it reaches this owner's tokens of at least one kind by a membership or as everybody's.
    pub fn reaches(&self, owner: &PrincipalName) -> bool {
        !self.everybodys_kinds.is_empty() || self.organisations.iter().any(|org| org.as_bytes() == owner.as_bytes())
    }

    /// What of it an actor of this name lists, of one owner and one kind or of any.
    pub fn listed(mut self, name: &PrincipalName, owner: Option<Text>, kind: Option<&Text>) -> Listed {
        let is_of = |of: &Text| kind.is_none_or(|kind| kind == of);
        self.everybodys_kinds.retain(is_of);
        let own = self.own_kinds.into_iter().map(|kind| (name.text(), kind));
        let theirs = self.organisations.into_iter().zip(self.their_kinds);
        let mut owned: BTreeMap<Text, Vec<Text>> = BTreeMap::new();
        for (of, kind) in own.chain(theirs).filter(|(_, kind)| is_of(kind)) {
            if owner.as_ref().is_none_or(|owner| *owner == of) {
                owned.entry(of).or_default().push(kind);
            }
        }
        if let Some(owner) = owner {
            let mut kinds = owned.remove(&owner).unwrap_or_default();
            kinds.extend(self.everybodys_kinds);
            return Listed::Owners(BTreeMap::from([(owner, Kinds::These(kinds))]));
        }
        let owned = owned.into_iter().map(|(owner, kinds)| (owner, Kinds::These(kinds))).collect();
        if self.everybodys_kinds.is_empty() {
            Listed::Owners(owned)
        } else {
            Listed::Everybody { kinds: Kinds::These(self.everybodys_kinds), also: owned }
        }
    }

    /// The last four arguments of a statement that selects by reach, which follow the principal itself: its own kinds,
    /// its organisations, their kinds, everybody's kinds.
    pub fn arguments(self) -> [Argument; 4] {
        let array = |texts: Vec<Text>| texts.into_iter().collect::<TextArray>();
        fields![array(self.own_kinds), array(self.organisations), array(self.their_kinds), array(self.everybodys_kinds)]
    }
}
