//! scoutPRIME: the workspaces of the token's owner, and its tokens, whose texts can be shown again.

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::routing::get;
use uuid::Uuid;

use crate::door::Door;
use crate::error::Error;
use crate::session::{Rows, Session};

pub fn routes(door: &Door) -> Router {
    Router::new()
        .route("/api/tokens", door.guard(&[], get(tokens)))
        .route("/api/tokens/{id}/text", door.guard(&[], get(text)))
        .route("/api/workspaces", door.guard(&["workspaces:read"], get(list)))
        .route("/api/workspaces/{id}", door.guard(&["workspaces:read"], get(show)))
}

async fn list(session: Session) -> Result<Rows, Error> {
    session.rows("SELECT id, name FROM workspace ORDER BY id", &[]).await
}

/// Returns a workspace of the owner; 404 for somebody else's.
async fn show(session: Session, id: Result<Path<i32>, PathRejection>) -> Result<Rows, Error> {
    let Path(id) = id?;
    session.row("SELECT id, name, findings FROM workspace WHERE id = $1", &[&id]).await
}

/// The screen API Tokens, where the texts are masked.
async fn tokens(session: Session) -> Result<Rows, Error> {
    session
        .rows("SELECT id, hint, description, status, created_at, expires_at, last_used_at FROM tokenauth.list()", &[])
        .await
}

/// The button Show: the text of an active token, of which each showing is an event.
async fn text(session: Session, id: Result<Path<Uuid>, PathRejection>) -> Result<Rows, Error> {
    let Path(id) = id?;
    session.row("SELECT tokenauth.reveal($1) AS text", &[&id]).await
}
