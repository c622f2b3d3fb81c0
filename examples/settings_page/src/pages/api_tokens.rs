//! The list: Settings › API tokens.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{LIST, PAGE, Rows, Shell, after, html, older, status, statuses};
use crate::App;
use crate::auth::SignedIn;
use crate::db::Filter;
use crate::failure::Failure;
use crate::forms::{Choice, Fields};

#[derive(Template)]
#[template(path = "api_tokens.html")]
struct Page {
    shell: Shell,
    rows: Rows,
    statuses: Vec<Choice>,
    shows_all: bool,
    older: Option<String>,
    is_first: bool,
    /// Whether there is any kind that this person may create.
    can_create: bool,
    /// What has just been done.
    done: &'static str,
}

pub async fn show(State(app): State<App>, who: SignedIn, fields: Fields) -> Result<Response, Failure> {
    let shows_all = fields.one("owner") == "all";
    let owner = if shows_all { "*".to_owned() } else { who.principal.clone() };
    let filter = Filter { owner, status: status(&fields), after: after(&fields)? };
    let (tokens, last) = app.database.list(&who.principal, &filter, PAGE).await?;
    let revealing = app.database.kinds().await?.into_iter().filter(|kind| kind.reveals).map(|kind| kind.name).collect();
    let can_create = !app.database.offers(&who.principal).await?.is_empty();
    let done = match fields.one("done") {
        "saved" => "The changes are saved. The text of the token stays the same.",
        "revoked" => "Revoked. Whoever presents it gets 401 from now on.",
        "deleted" => "Revoked and removed from the list.",
        "sent" => {
            "That form was sent already: its token is in the list. If you have not copied it, revoke it and create \
             another."
        }
        _ => "",
    };
    let page = Page {
        shell: Shell::new(&who, "settings"),
        rows: Rows { tokens, shows_owner: shows_all, revealing },
        statuses: statuses(&filter.status),
        shows_all,
        older: older(LIST, &fields, last),
        is_first: filter.after.is_none(),
        can_create,
        done,
    };
    html(StatusCode::OK, &page)
}
