//! Creating a token: first which kind and for whom, then its form.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use uuid::Uuid;

use super::token_fields::TokenFields;
use super::{Shell, copy_token, html, told};
use crate::App;
use crate::auth::SignedIn;
use crate::db::{Created, Expiry, Kind, NewToken, Offer};
use crate::failure::{Failure, Field, Problem};
use crate::forms::{self, Fields};

/// Which tokens this person may create.
#[derive(Template)]
#[template(path = "create_token_kinds.html")]
struct Kinds {
    shell: Shell,
    offers: Vec<Offer>,
}

#[derive(Template)]
#[template(path = "create_token.html")]
struct Page {
    shell: Shell,
    offer: Offer,
    /// The number of this form.
    form: Uuid,
    fields: TokenFields,
}

pub async fn show(State(app): State<App>, who: SignedIn, sent: Fields) -> Result<Response, Failure> {
    let shell = Shell::new(&who, "settings");
    if sent.filled("kind").is_none() {
        let offers = app.database.offers(&who.principal).await?;
        return html(StatusCode::OK, &Kinds { shell, offers });
    }
    let offer = offer(&app, &who, &sent).await?;
    let fields = TokenFields::empty(&offer.kind, &offer.scopes);
    html(StatusCode::OK, &Page { shell, offer, form: app.sessions.form(who.session), fields })
}

pub async fn send(State(app): State<App>, who: SignedIn, sent: Fields) -> Result<Response, Failure> {
    if !app.sessions.take_form(who.session, sent.one("form")) {
        return Ok(Redirect::to("/settings/api-tokens?done=sent").into_response());
    }
    let kind = app.database.kind(sent.one("kind")).await?;
    let failure = match create(&app, &who, &kind, owner(&who, &sent), &sent).await {
        Ok(Created { text, id }) => {
            let token = app.database.token(&who.principal, id).await?;
            return copy_token::page(&app, &who, text, token, None);
        }
        Err(failure) => failure,
    };
    // What is not offered any more, or never was, has no form to go back to.
    let Ok(offer) = offer(&app, &who, &sent).await else { return Err(failure) };
    let told = told(failure)?;
    let (status, fields) = (told.status(), TokenFields::empty(&offer.kind, &offer.scopes).with(&sent, told));
    let (shell, form) = (Shell::new(&who, "settings"), app.sessions.form(who.session));
    html(status, &Page { shell, offer, form, fields })
}

/// What was asked for, if this person may create it.
async fn offer(app: &App, who: &SignedIn, sent: &Fields) -> Result<Offer, Failure> {
    let (kind, owner) = (sent.one("kind"), owner(who, sent));
    let offers = app.database.offers(&who.principal).await?;
    offers.into_iter().find(|offer| offer.kind.name == kind && offer.owner == owner).ok_or(Failure::NotFound)
}

/// The principal that the token is to act for.
fn owner<'a>(who: &'a SignedIn, sent: &'a Fields) -> &'a str {
    sent.filled("owner").unwrap_or(&who.principal)
}

async fn create(app: &App, who: &SignedIn, kind: &Kind, owner: &str, sent: &Fields) -> Result<Created, Failure> {
    let networks = forms::networks(sent);
    let expiry = forms::expiry(sent)?;
    if expiry == Expiry::Unchanged && kind.default_lifetime.is_none() {
        // Choosing nothing would mean never.
        return Err(Problem::typed(Field::Expires, "Choose when the token expires.").into());
    }
    let new = NewToken {
        kind: &kind.name,
        owner,
        name: sent.filled("name"),
        description: sent.filled("description"),
        scopes: if kind.chooses_scopes { forms::scopes(sent)? } else { None },
        expiry,
        networks: (!networks.is_empty()).then_some(networks),
    };
    app.database.issue(&who.principal, &new).await
}
