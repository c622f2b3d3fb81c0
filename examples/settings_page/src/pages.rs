//! The pages, each a file here and a template of the same name. README.md says which screens of the documents they
//! are.

mod api_tokens;
mod assets;
mod copy_token;
mod create_token;
mod edit_token;
pub mod message;
mod revoke_tokens;
mod rotate_token;
mod sign_in;
mod system_configuration;
mod token;
mod token_fields;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use uuid::Uuid;

use crate::App;
use crate::api;
use crate::auth::SignedIn;
use crate::db::Token;
use crate::failure::{Failure, Problem};
use crate::forms::{Choice, Fields};

/// All addresses.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async || Redirect::to(LIST)))
        .route("/sign-in", get(sign_in::show).post(sign_in::begin))
        .route("/sign-out", post(sign_in::end))
        .route(LIST, get(api_tokens::show))
        .route("/settings/api-tokens/new", get(create_token::show).post(create_token::send))
        .route("/settings/api-tokens/revoke", get(revoke_tokens::show).post(revoke_tokens::send))
        .route("/settings/api-tokens/{id}", get(token::show))
        .route("/settings/api-tokens/{id}/show", post(token::reveal))
        .route("/settings/api-tokens/{id}/edit", get(edit_token::show).post(edit_token::send))
        .route("/settings/api-tokens/{id}/rotate", get(rotate_token::show).post(rotate_token::send))
        .route(ADMINISTRATION, get(system_configuration::show))
        .route("/api/whoami", get(api::whoami))
        .route("/assets/{name}", get(assets::send))
        .fallback(async || Failure::NotFound)
        .method_not_allowed_fallback(async || Failure::NotFound)
}

/// The list of tokens, and that of administrators.
const LIST: &str = "/settings/api-tokens";
const ADMINISTRATION: &str = "/system-configuration/api-tokens";

/// How many tokens a page shows.
const PAGE: usize = 25;

/// What the head of every page shows.
struct Shell {
    name: String,
    is_administrator: bool,
    /// Which of the links in the head leads here.
    place: &'static str,
}

impl Shell {
    fn new(who: &SignedIn, place: &'static str) -> Self {
        Self { name: who.name.clone(), is_administrator: who.is_administrator, place }
    }
}

/// What is wrong with a form, if anything.
struct Told(Option<Problem>);

impl Told {
    /// What is wrong with this field; empty if nothing is.
    fn at(&self, id: &str) -> &str {
        self.0.as_ref().filter(|problem| problem.id() == id).map_or("", |problem| &problem.text)
    }

    fn status(&self) -> StatusCode {
        self.0.as_ref().map_or(StatusCode::OK, |problem| problem.status)
    }
}

/// Keeps a problem for the form to tell; any other failure ends the request.
fn told(failure: Failure) -> Result<Told, Failure> {
    match failure {
        Failure::Refused(problem) => Ok(Told(Some(problem))),
        other => Err(other),
    }
}

fn html(status: StatusCode, template: &impl Template) -> Result<Response, Failure> {
    let page = template.render().map_err(Failure::broken)?;
    Ok((status, Html(page)).into_response())
}

/// The statuses to filter by.
fn statuses(chosen: &str) -> Vec<Choice> {
    let statuses = [
        ("active", "Active"),
        ("*", "Any, inactive too"),
        ("expired", "Expired"),
        ("revoked", "Revoked"),
        ("disabled", "Disabled"),
        ("suspended", "Suspended"),
        ("not_yet_valid", "Not valid yet"),
    ];
    let choice =
        |(value, label): (&str, &str)| Choice { is_chosen: value == chosen, value: value.into(), label: label.into() };
    statuses.into_iter().map(choice).collect()
}

/// The status that was asked for, if there is such a status; otherwise active.
fn status(fields: &Fields) -> String {
    let asked = fields.one("status");
    statuses(asked).into_iter().find(|choice| choice.is_chosen).map_or_else(|| "active".into(), |choice| choice.value)
}

/// The last token of the page before.
fn after(fields: &Fields) -> Result<Option<Uuid>, Failure> {
    fields.filled("after").map(|id| id.parse().map_err(|_| Failure::NotFound)).transpose()
}

/// The address of the page behind this one, with the same filters.
fn older(path: &str, fields: &Fields, last: Option<Uuid>) -> Option<String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["owner", "status", "view"] {
        if let Some(value) = fields.filled(name) {
            query.append_pair(name, value);
        }
    }
    last.map(|id| format!("{path}?{}", query.append_pair("after", &id.to_string()).finish()))
}

/// Rows of the table of tokens.
struct Rows {
    tokens: Vec<Token>,
    shows_owner: bool,
    /// The kinds whose tokens have a button Show.
    revealing: Vec<String>,
}

impl Rows {
    fn can_show(&self, token: &Token) -> bool {
        token.status == "active" && self.revealing.contains(&token.kind)
    }
}
