//! What a form sent: its fields, and what they mean.

use axum::extract::{FromRequest, RawForm, Request};

use crate::db::{Expiry, Kind};
use crate::failure::{Failure, Field, Problem};

/// The fields of a form, or of a query, in the order in which they were sent; one with boxes occurs once for each.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field without blanks around it; empty if it was not sent.
    pub fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(sent, _)| sent == name).map_or("", |(_, value)| value.trim())
    }

    /// The same as an argument: `None` when there is nothing in it.
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.one(name)).filter(|value| !value.is_empty())
    }

    /// All values of a field with boxes.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(sent, _)| sent == name).map(|(_, value)| &**value).collect()
    }

    /// Whether a box was ticked.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(sent, _)| sent == name)
    }

    /// All values that are ids, once each; what is none names nothing.
    pub fn ids<T: std::str::FromStr + PartialEq>(&self, name: &str) -> Result<Vec<T>, Failure> {
        let mut ids = Vec::new();
        for id in self.all(name) {
            let id = id.parse().map_err(|_| Failure::NotFound)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let RawForm(sent) = RawForm::from_request(request, state).await.map_err(|_| {
            Failure::Refused(Problem::typed(Field::Whole, "This is not what the form would have sent."))
        })?;
        Ok(Self(form_urlencoded::parse(&sent).into_owned().collect()))
    }
}

/// The scopes that were ticked, and those typed beside the boxes. Ticking none is not the same as leaving them to the
/// database, which would grant everything.
pub fn scopes(fields: &Fields) -> Result<Option<Vec<String>>, Problem> {
    if fields.has("all_scopes") {
        return Ok(None);
    }
    let typed = fields.one("further_scopes").split([' ', ',']).filter(|scope| !scope.is_empty());
    let mut scopes: Vec<String> = fields.all("scope").into_iter().chain(typed).map(str::to_owned).collect();
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Problem::typed(Field::Scopes, "Choose at least one scope, or “Select all”."));
    }
    Ok(Some(scopes))
}

/// The networks, of which each stands on a line.
pub fn networks(fields: &Fields) -> Vec<String> {
    fields
        .one("networks")
        .split(['\n', ','])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// When the token is to stop working, by the choice `expires`.
pub fn expiry(fields: &Fields) -> Result<Expiry, Problem> {
    let days = |text: &str| match text.parse() {
        Ok(days @ 1..=36_500) => Ok(Expiry::Days(days)),
        _ => Err(Problem::typed(Field::Expires, "Give a number of days, such as 15.")),
    };
    match fields.one("expires") {
        "default" | "unchanged" => Ok(Expiry::Unchanged),
        "never" => Ok(Expiry::Never),
        "other" => days(fields.one("days")),
        chosen => days(chosen),
    }
}

/// An entry of a list to choose from.
pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

/// The lifetimes to choose from, in days.
const LIFETIMES: [i64; 7] = [7, 15, 30, 60, 90, 180, 365];

/// The lifetimes that a kind allows. Never is among them only where it is allowed, and no form begins with it.
pub fn lifetimes(kind: &Kind, first: Option<(&str, &str)>, chosen: &str) -> Vec<Choice> {
    let first = first.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let days = allowed(kind).map(|days| (days.to_string(), format!("{days} days")));
    let other = ("other".to_owned(), "another number of days".to_owned());
    let never = kind.may_never_expire.then(|| ("never".to_owned(), "never".to_owned()));
    let choices = first.into_iter().chain(days).chain([other]).chain(never);
    choices.map(|(value, label)| Choice { is_chosen: value == chosen, value, label }).collect()
}

/// What the form of a new token begins with: the kind's own lifetime, or else ninety days, or as many as it allows.
pub fn first_lifetime(kind: &Kind) -> String {
    if kind.default_lifetime.is_some() {
        return "default".to_owned();
    }
    let longest = allowed(kind).take_while(|days| *days <= 90).last();
    longest.map_or_else(|| "other".to_owned(), |days| days.to_string())
}

fn allowed(kind: &Kind) -> impl Iterator<Item = i64> {
    let longest = kind.max_days.unwrap_or(i64::MAX);
    LIFETIMES.into_iter().take_while(move |days| *days <= longest)
}

/// How long the old token may go on working after a rotation, in hours.
const GRACES: [(i64, &str); 5] =
    [(0, "not at all: revoke it at once"), (1, "an hour"), (24, "a day"), (168, "a week"), (720, "30 days")];

/// The graces that a kind allows. Unless one was chosen, the form begins with a day, or as much of it as is allowed.
pub fn graces(kind: &Kind, chosen: Option<&str>) -> Vec<Choice> {
    let allowed = || GRACES.into_iter().take_while(|(hours, _)| *hours <= kind.max_grace_hours);
    let usual = allowed().map(|(hours, _)| hours).take_while(|hours| *hours <= 24).last().unwrap_or_default();
    let chosen = chosen.map_or_else(|| usual.to_string(), str::to_owned);
    let choice = |(hours, label): (i64, &str)| {
        let value = hours.to_string();
        Choice { is_chosen: value == chosen, value, label: label.to_owned() }
    };
    allowed().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::{Fields, expiry, first_lifetime, graces, lifetimes, networks, scopes};
    use crate::db::{Expiry, Kind};

    fn fields(sent: &str) -> Fields {
        Fields(form_urlencoded::parse(sent.as_bytes()).into_owned().collect())
    }

    fn kind(default: Option<&str>, max_days: Option<i64>, may_never_expire: bool) -> Kind {
        Kind {
            name: "pat".into(),
            description: String::new(),
            owner_types: vec!["user".into()],
            chooses_scopes: true,
            name_required: false,
            reveals: false,
            default_lifetime: default.map(str::to_owned),
            max_days,
            may_never_expire,
            max_grace_hours: 720,
        }
    }

    #[test]
    fn ticking_no_scope_does_not_grant_all() {
        assert!(scopes(&fields("name=x")).is_err());
        assert!(scopes(&fields("further_scopes=+%2C+")).is_err());
        assert_eq!(scopes(&fields("all_scopes=on&scope=a")).unwrap(), None);
        let both = scopes(&fields("scope=b&scope=a&further_scopes=c+a")).unwrap();
        assert_eq!(both.unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn an_expiry_that_is_missing_or_no_number_is_not_never() {
        for sent in ["", "expires=", "expires=other", "expires=other&days=-1", "expires=soon", "expires=0"] {
            assert!(expiry(&fields(sent)).is_err(), "{sent}");
        }
        assert_eq!(expiry(&fields("expires=other&days=15")).unwrap(), Expiry::Days(15));
        assert_eq!(expiry(&fields("expires=never")).unwrap(), Expiry::Never);
    }

    #[test]
    fn never_is_offered_where_it_is_allowed_and_is_never_the_beginning() {
        for (default, most) in [(None, None), (Some("90 days"), Some(365)), (None, Some(10)), (None, Some(1))] {
            for may_never in [false, true] {
                let kind = kind(default, most, may_never);
                let first = first_lifetime(&kind);
                let offered = lifetimes(&kind, Some(("default", "90 days")), &first);
                assert_eq!(offered.iter().any(|choice| choice.value == "never"), may_never);
                let begun: Vec<_> = offered.iter().filter(|choice| choice.is_chosen).collect();
                assert!(begun.len() == 1 && begun[0].value != "never", "{default:?} {most:?} {first}");
            }
        }
    }

    #[test]
    fn a_rotation_begins_with_a_day_or_as_much_of_it_as_is_allowed() {
        for (max_grace_hours, begins, offered) in [(720, "24", 5), (100, "24", 3), (5, "1", 2), (0, "0", 1)] {
            let kind = Kind { max_grace_hours, ..kind(None, None, true) };
            let choices = graces(&kind, None);
            let begun: Vec<_> = choices.iter().filter(|choice| choice.is_chosen).map(|choice| &*choice.value).collect();
            assert_eq!((begun, choices.len()), (vec![begins], offered), "{max_grace_hours}");
        }
    }

    #[test]
    fn networks_stand_on_lines() {
        assert_eq!(networks(&fields("networks=10.0.0.0%2F8%0D%0A%0D%0A+192.0.2.1")), ["10.0.0.0/8", "192.0.2.1"]);
        assert!(networks(&fields("networks=+%0D%0A")).is_empty());
    }
}
