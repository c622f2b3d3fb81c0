//! The text of a new token, which is shown here and nowhere else.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Shell, html};
use crate::App;
use crate::auth::SignedIn;
use crate::db::Token;
use crate::failure::Failure;

#[derive(Template)]
#[template(path = "copy_token.html")]
struct Page {
    shell: Shell,
    token: Token,
    text: String,
    /// The whole header of a request.
    header: String,
    /// A command that works.
    curl: String,
    /// The token that it replaces.
    old: Option<Token>,
}

pub fn page(app: &App, who: &SignedIn, text: String, token: Token, old: Option<Token>) -> Result<Response, Failure> {
    let header = format!("Authorization: Bearer {text}");
    let curl = format!("curl -H '{header}' {}/api/whoami", app.origin);
    html(StatusCode::OK, &Page { shell: Shell::new(who, "settings"), token, text, header, curl, old })
}
