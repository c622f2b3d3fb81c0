//! Rotating a token: a successor at once, and the old one for as long as it takes to put the new one in its place.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use uuid::Uuid;

use super::token::parse;
use super::{Shell, Told, copy_token, html, told};
use crate::App;
use crate::auth::SignedIn;
use crate::db::{Created, Token};
use crate::failure::{Failure, Field, Problem};
use crate::forms::{Choice, Fields, graces};

#[derive(Template)]
#[template(path = "rotate_token.html")]
struct Page {
    shell: Shell,
    token: Token,
    graces: Vec<Choice>,
    form: Uuid,
    told: Told,
}

pub async fn show(State(app): State<App>, who: SignedIn, Path(id): Path<String>) -> Result<Response, Failure> {
    let token = app.database.token(&who.principal, parse(&id)?).await?;
    page(&app, &who, token, None, Told(None)).await
}

pub async fn send(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Fields,
) -> Result<Response, Failure> {
    let token = app.database.token(&who.principal, parse(&id)?).await?;
    if !app.sessions.take_form(who.session, sent.one("form")) {
        return Ok(Redirect::to("/settings/api-tokens?done=sent").into_response());
    }
    let created = match sent.one("grace").parse() {
        Ok(hours @ 0..) => app.database.rotate(&who.principal, token.id, hours).await,
        _ => Err(Problem::typed(Field::Grace, "Choose how long the old token is to go on working.").into()),
    };
    match created {
        Ok(Created { text, id }) => {
            let new = app.database.token(&who.principal, id).await?;
            let old = app.database.token(&who.principal, token.id).await?;
            copy_token::page(&app, &who, text, new, Some(old))
        }
        Err(failure) => page(&app, &who, token, Some(sent.one("grace")), told(failure)?).await,
    }
}

async fn page(app: &App, who: &SignedIn, token: Token, chosen: Option<&str>, told: Told) -> Result<Response, Failure> {
    let graces = graces(&app.database.kind(&token.kind).await?, chosen);
    let (shell, form) = (Shell::new(who, "settings"), app.sessions.form(who.session));
    html(told.status(), &Page { shell, token, graces, form, told })
}
