//! The fields that creating and editing have in common.

use super::Told;
use crate::db::{Kind, Token};
use crate::forms::{Choice, Fields, first_lifetime, lifetimes};

/// What is in the fields when the page is shown.
pub struct TokenFields {
    pub name: String,
    pub name_required: bool,
    pub description: String,
    /// `None` for kinds whose tokens have no scopes of their own.
    pub scopes: Option<Scopes>,
    pub lifetimes: Vec<Choice>,
    pub days: String,
    pub networks: String,
    pub told: Told,
}

/// A box for each scope.
pub struct Scopes {
    pub boxes: Vec<Choice>,
    pub all: bool,
    pub further: String,
}

impl TokenFields {
    /// The fields of a token to create.
    pub fn empty(kind: &Kind, grantable: &[String]) -> Self {
        let scopes =
            kind.chooses_scopes.then(|| Scopes { boxes: boxes(grantable, &[]), all: false, further: String::new() });
        Self {
            name: String::new(),
            name_required: kind.name_required,
            description: String::new(),
            scopes,
            lifetimes: lifetimes(
                kind,
                by_default(kind).as_deref().map(|label| ("default", label)),
                &first_lifetime(kind),
            ),
            days: String::new(),
            networks: String::new(),
            told: Told(None),
        }
    }

    /// The fields of a token as it is.
    pub fn of(token: &Token, kind: &Kind, grantable: &[String]) -> Self {
        let held = token.scopes.as_deref().unwrap_or_default();
        // A scope that is not held any more is there to be unticked.
        let lost = held.iter().filter(|scope| !grantable.contains(scope));
        let offered: Vec<String> = grantable.iter().chain(lost).cloned().collect();
        let ticked: Vec<&str> = held.iter().map(String::as_str).collect();
        let scopes =
            kind.chooses_scopes.then(|| Scopes { boxes: boxes(&offered, &ticked), all: false, further: String::new() });
        let end = token.expires.as_ref().map_or_else(|| "as it is: never".into(), |end| format!("as it is: {end} UTC"));
        Self {
            name: token.name.clone(),
            name_required: kind.name_required,
            description: token.description.clone(),
            scopes,
            lifetimes: lifetimes(kind, Some(("unchanged", &end)), "unchanged"),
            days: String::new(),
            networks: token.networks.join("\n"),
            told: Told(None),
        }
    }

    /// The same fields with what somebody has put into them, and what is wrong with it.
    pub fn with(mut self, sent: &Fields, told: Told) -> Self {
        sent.one("name").clone_into(&mut self.name);
        sent.one("description").clone_into(&mut self.description);
        sent.one("networks").clone_into(&mut self.networks);
        sent.one("days").clone_into(&mut self.days);
        if let Some(scopes) = &mut self.scopes {
            let ticked = sent.all("scope");
            scopes.boxes.iter_mut().for_each(|one| one.is_chosen = ticked.contains(&&*one.value));
            scopes.all = sent.has("all_scopes");
            sent.one("further_scopes").clone_into(&mut scopes.further);
        }
        if self.lifetimes.iter().any(|one| one.value == sent.one("expires")) {
            self.lifetimes.iter_mut().for_each(|one| one.is_chosen = one.value == sent.one("expires"));
        }
        self.told = told;
        self
    }
}

fn boxes(offered: &[String], ticked: &[&str]) -> Vec<Choice> {
    let one =
        |scope: &String| Choice { value: scope.clone(), label: scope.clone(), is_chosen: ticked.contains(&&**scope) };
    offered.iter().map(one).collect()
}

/// What choosing nothing means.
fn by_default(kind: &Kind) -> Option<String> {
    kind.default_lifetime.as_ref().map(|lifetime| format!("{lifetime}, as usual"))
}
