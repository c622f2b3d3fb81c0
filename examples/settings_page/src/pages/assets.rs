//! The files that pages refer to, which are part of the program.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::failure::Failure;

pub async fn send(Path(name): Path<String>) -> Result<Response, Failure> {
    let (kind, text) = match &*name {
        "style.css" => ("text/css; charset=utf-8", include_str!("../../assets/style.css")),
        "copy.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/copy.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../../assets/icon.svg")),
        _ => return Err(Failure::NotFound),
    };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], text).into_response())
}
