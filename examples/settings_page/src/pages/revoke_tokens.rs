//! Revoking one token or several, after a confirmation that names them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use uuid::Uuid;

use super::{ADMINISTRATION, LIST, Shell, html};
use crate::App;
use crate::auth::SignedIn;
use crate::db::Token;
use crate::failure::{Failure, Field, Problem};
use crate::forms::Fields;

#[derive(Template)]
#[template(path = "revoke_tokens.html")]
struct Page {
    shell: Shell,
    tokens: Vec<Token>,
    /// Where the person came from.
    from: &'static str,
    back: &'static str,
}

impl Page {
    /// Dead tokens can only be removed from the list.
    fn any_is_alive(&self) -> bool {
        self.tokens.iter().any(Token::is_alive)
    }
}

pub async fn show(State(app): State<App>, who: SignedIn, sent: Fields) -> Result<Response, Failure> {
    let tokens = app.database.tokens(&who.principal, &chosen(&sent)?).await?;
    let (from, back) = origin(&sent);
    let shell = Shell::new(&who, if from.is_empty() { "settings" } else { "system" });
    html(StatusCode::OK, &Page { shell, tokens, from, back })
}

pub async fn send(State(app): State<App>, who: SignedIn, sent: Fields) -> Result<Response, Failure> {
    let ids = chosen(&sent)?;
    let done = if sent.has("remove") {
        app.database.delete(&who.principal, &ids).await?;
        "deleted"
    } else {
        app.database.revoke(&who.principal, &ids, sent.filled("reason")).await?;
        "revoked"
    };
    let (_, back) = origin(&sent);
    Ok(Redirect::to(&format!("{back}?done={done}")).into_response())
}

fn chosen(sent: &Fields) -> Result<Vec<Uuid>, Failure> {
    let ids = sent.ids("id")?;
    if ids.is_empty() {
        return Err(Problem::typed(Field::Whole, "Select at least one token first.").into());
    }
    Ok(ids)
}

/// Where the person came from, for the form, and the address to go back to.
fn origin(sent: &Fields) -> (&'static str, &'static str) {
    match sent.one("from") {
        "system" => ("system", ADMINISTRATION),
        _ => ("", LIST),
    }
}
