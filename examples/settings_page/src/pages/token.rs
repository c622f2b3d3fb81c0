//! One token: what it is, how it is used, how far its rotation is; Show and Hide where its kind keeps the text.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use uuid::Uuid;

use super::{Shell, html};
use crate::App;
use crate::auth::SignedIn;
use crate::chart::Chart;
use crate::db::{Rotation, Token};
use crate::failure::Failure;

#[derive(Template)]
#[template(path = "token.html")]
struct Page {
    shell: Shell,
    token: Token,
    /// Whether there is a button Show.
    can_show: bool,
    /// The text, after Show.
    text: Option<String>,
    chart: Chart,
    rotation: Option<Rotation>,
}

pub async fn show(State(app): State<App>, who: SignedIn, Path(id): Path<String>) -> Result<Response, Failure> {
    page(&app, &who, parse(&id)?, None).await
}

/// The button Show. Each showing is an event.
pub async fn reveal(State(app): State<App>, who: SignedIn, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let text = app.database.reveal(&who.principal, id).await?;
    page(&app, &who, id, Some(text)).await
}

async fn page(app: &App, who: &SignedIn, id: Uuid, text: Option<String>) -> Result<Response, Failure> {
    // Comes first: who may not see the token sees nothing of it.
    let token = app.database.token(&who.principal, id).await?;
    let can_show = token.status == "active" && app.database.kind(&token.kind).await?.reveals;
    let chart = Chart::new(app.database.usage(&token).await?);
    let rotation = app.database.rotation(&who.principal, &token).await?;
    html(StatusCode::OK, &Page { shell: Shell::new(who, "settings"), token, can_show, text, chart, rotation })
}

/// An id in a path; what is none names nothing.
pub fn parse(id: &str) -> Result<Uuid, Failure> {
    id.parse().map_err(|_| Failure::NotFound)
}
