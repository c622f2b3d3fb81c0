//! Signing in as one of the people in the table, without a password: a demonstration.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{LIST, html};
use crate::App;
use crate::auth::SignedIn;
use crate::db::Person;
use crate::failure::Failure;
use crate::forms::Fields;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    people: Vec<Person>,
}

pub async fn show(State(app): State<App>) -> Result<Response, Failure> {
    html(StatusCode::OK, &Page { people: app.database.people().await? })
}

pub async fn begin(State(app): State<App>, fields: Fields) -> Result<Response, Failure> {
    let person = app.database.person(fields.one("person")).await?.ok_or(Failure::NotFound)?;
    let session = app.sessions.begin(person.id).to_string();
    Ok(redirect_with(cookie(&app, &session, "28800"), LIST))
}

pub async fn end(State(app): State<App>, who: SignedIn) -> Response {
    app.sessions.end(who.session);
    redirect_with(cookie(&app, "", "0"), "/sign-in")
}

/// `Lax`, so that somebody who follows a link from an e-mail is signed in; forms are guarded by their origin besides.
fn cookie(app: &App, value: &str, seconds: &str) -> String {
    let secure = if app.is_encrypted() { "; Secure" } else { "" };
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", app.cookie_name())
}

fn redirect_with(cookie: String, path: &str) -> Response {
    ([(header::SET_COOKIE, cookie)], Redirect::to(path)).into_response()
}
