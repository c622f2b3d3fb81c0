//! Editing a token: everything but its text.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::token::parse;
use super::token_fields::TokenFields;
use super::{Shell, html, told};
use crate::App;
use crate::auth::SignedIn;
use crate::db::{Changes, Kind, Token};
use crate::failure::Failure;
use crate::forms::{self, Fields};

#[derive(Template)]
#[template(path = "edit_token.html")]
struct Page {
    shell: Shell,
    token: Token,
    fields: TokenFields,
}

pub async fn show(State(app): State<App>, who: SignedIn, Path(id): Path<String>) -> Result<Response, Failure> {
    let (token, kind, grantable) = known(&app, &who, &id).await?;
    let fields = TokenFields::of(&token, &kind, &grantable);
    html(StatusCode::OK, &Page { shell: Shell::new(&who, "settings"), token, fields })
}

pub async fn send(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Fields,
) -> Result<Response, Failure> {
    let (token, kind, grantable) = known(&app, &who, &id).await?;
    let saved = match changes(&token, &kind, &grantable, &sent) {
        Ok(changes) => app.database.edit(&who.principal, token.id, &changes).await,
        Err(failure) => Err(failure),
    };
    let Err(failure) = saved else {
        return Ok(Redirect::to("/settings/api-tokens?done=saved").into_response());
    };
    let told = told(failure)?;
    let (status, fields) = (told.status(), TokenFields::of(&token, &kind, &grantable).with(&sent, told));
    html(status, &Page { shell: Shell::new(&who, "settings"), token, fields })
}

async fn known(app: &App, who: &SignedIn, id: &str) -> Result<(Token, Kind, Vec<String>), Failure> {
    let token = app.database.token(&who.principal, parse(id)?).await?;
    let kind = app.database.kind(&token.kind).await?;
    let grantable = app.database.grantable(&who.principal, &token.kind, &token.owner).await?;
    Ok((token, kind, grantable))
}

/// What is different from the token as it is: only that is compared with what the person holds.
fn changes<'a>(token: &Token, kind: &Kind, grantable: &[String], sent: &'a Fields) -> Result<Changes<'a>, Failure> {
    let changed = |name, is: &str| Some(sent.one(name)).filter(|value| *value != is);
    let scopes = if kind.chooses_scopes {
        let chosen = forms::scopes(sent)?.unwrap_or_else(|| grantable.to_vec());
        let mut granted = token.scopes.clone().unwrap_or_default();
        granted.sort();
        Some(chosen).filter(|chosen| *chosen != granted)
    } else {
        None
    };
    Ok(Changes {
        name: changed("name", &token.name),
        description: changed("description", &token.description),
        scopes,
        expiry: forms::expiry(sent)?,
        networks: Some(forms::networks(sent)).filter(|networks| *networks != token.networks),
    })
}
