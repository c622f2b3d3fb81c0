//! What administrators look at: System configuration › API tokens. Everything here is read as the observer; revoking
//! goes through the same form as everybody's, with the administrator as actor.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{ADMINISTRATION, PAGE, Rows, Shell, after, html, older, status, statuses};
use crate::App;
use crate::auth::Administrator;
use crate::db::{Filter, MOST, Unusual, View};
use crate::failure::Failure;
use crate::forms::{Choice, Fields};

#[derive(Template)]
#[template(path = "system_configuration.html")]
struct Page {
    shell: Shell,
    /// `all`, `expiring`, `idle`, `unusual` or `noncompliant`.
    view: &'static str,
    rows: Rows,
    unusual: Vec<Unusual>,
    statuses: Vec<Choice>,
    older: Option<String>,
    is_first: bool,
    is_done: bool,
}

pub async fn show(
    State(app): State<App>,
    Administrator(who): Administrator,
    fields: Fields,
) -> Result<Response, Failure> {
    let mut page = Page {
        shell: Shell::new(&who, "system"),
        view: "all",
        rows: Rows { tokens: Vec::new(), shows_owner: true, revealing: Vec::new() },
        unusual: Vec::new(),
        statuses: Vec::new(),
        older: None,
        is_first: true,
        is_done: matches!(fields.one("done"), "revoked" | "deleted"),
    };
    match fields.one("view") {
        "expiring" => {
            page.view = "expiring";
            page.rows.tokens = app.database.viewed(View::Expiring).await?;
        }
        "idle" => {
            page.view = "idle";
            page.rows.tokens = app.database.viewed(View::Idle).await?;
        }
        "unusual" => {
            page.view = "unusual";
            page.unusual = app.database.unusual().await?;
        }
        "noncompliant" => {
            page.view = "noncompliant";
            page.unusual = app.database.noncompliant().await?;
        }
        _ => {
            let filter = Filter { owner: "*".to_owned(), status: status(&fields), after: after(&fields)? };
            let (tokens, last) = app.database.all_tokens(&filter, PAGE).await?;
            page.rows.tokens = tokens;
            page.statuses = statuses(&filter.status);
            page.older = older(ADMINISTRATION, &fields, last);
            page.is_first = filter.after.is_none();
        }
    }
    html(StatusCode::OK, &page)
}
