//! Who is signed in. Put your own sign-in in the place of this module: here people are chosen from a list, without any
//! password, so that the page can be tried.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use uuid::Uuid;

use crate::App;
use crate::failure::Failure;

/// How long somebody stays signed in.
const LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);

/// How many forms of one session may be open at once.
const MOST_FORMS: usize = 200;

/// Who is signed in, by the random id in their cookie. Kept in memory: a restart of the program signs everybody out.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<Uuid, Session>>>);

struct Session {
    person: String,
    until: Instant,
    /// Forms that were shown and not sent yet.
    forms: HashSet<Uuid>,
}

impl Sessions {
    /// Signs a person in, and returns the id for the cookie.
    pub fn begin(&self, person: String) -> Uuid {
        let id = Uuid::new_v4();
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.until > Instant::now());
        sessions.insert(id, Session { person, until: Instant::now() + LIFETIME, forms: HashSet::new() });
        id
    }

    /// Signs out.
    pub fn end(&self, id: Uuid) {
        self.lock().remove(&id);
    }

    /// A number for a form that may be sent once: sent again by a reload, it would create a second token.
    pub fn form(&self, id: Uuid) -> Uuid {
        let form = Uuid::new_v4();
        if let Some(session) = self.lock().get_mut(&id) {
            if session.forms.len() >= MOST_FORMS {
                session.forms.clear();
            }
            session.forms.insert(form);
        }
        form
    }

    /// Whether the form with this number was shown to this session and is sent for the first time.
    pub fn take_form(&self, id: Uuid, form: &str) -> bool {
        let Ok(form) = form.parse::<Uuid>() else { return false };
        self.lock().get_mut(&id).is_some_and(|session| session.forms.remove(&form))
    }

    fn person(&self, id: Uuid) -> Option<String> {
        let sessions = self.lock();
        sessions.get(&id).filter(|session| session.until > Instant::now()).map(|session| session.person.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a page extracts to know for whom it acts.
pub struct SignedIn {
    pub session: Uuid,
    /// The principal that every call to the database gets as `actor`.
    pub principal: String,
    pub name: String,
    pub is_administrator: bool,
}

/// The same for a page of administrators.
pub struct Administrator(pub SignedIn);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Failure;

    /// Asks the database each time: a person who was deactivated is signed out by that.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let session = cookie(&parts.headers, app.cookie_name()).ok_or(Failure::NotSignedIn)?;
        let id = app.sessions.person(session).ok_or(Failure::NotSignedIn)?;
        let person = app.database.person(&id).await?.ok_or(Failure::NotSignedIn)?;
        let (principal, name) = (format!("user:{}", person.id), person.name);
        Ok(Self { session, principal, name, is_administrator: person.is_administrator })
    }
}

impl FromRequestParts<App> for Administrator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        if signed_in.is_administrator { Ok(Self(signed_in)) } else { Err(Failure::Forbidden) }
    }
}

/// The session in the cookie of this name.
fn cookie(headers: &HeaderMap, name: &str) -> Option<Uuid> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(sent, _)| *sent == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Sessions;

    #[test]
    fn a_form_can_be_sent_once_and_only_by_the_session_that_it_was_shown_to() {
        let sessions = Sessions::default();
        let (dana, eli) = (sessions.begin("dana".into()), sessions.begin("eli".into()));
        let form = sessions.form(dana).to_string();
        assert!(!sessions.take_form(eli, &form));
        assert!(sessions.take_form(dana, &form));
        assert!(!sessions.take_form(dana, &form));
        assert!(!sessions.take_form(dana, ""));
    }

    #[test]
    fn who_signs_out_is_nobody() {
        let sessions = Sessions::default();
        let dana = sessions.begin("dana".into());
        assert_eq!(sessions.person(dana).as_deref(), Some("dana"));
        sessions.end(dana);
        assert_eq!(sessions.person(dana), None);
        let form = sessions.form(dana).to_string();
        assert!(!sessions.take_form(dana, &form));
    }
}
