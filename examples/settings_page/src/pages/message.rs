//! A page with a sentence, in the place of one that could not be shown.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    title: &'static str,
    text: String,
}

pub fn page(status: StatusCode, title: &'static str, text: String) -> Response {
    match (Message { title, text }).render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(_) => (status, title).into_response(),
    }
}
