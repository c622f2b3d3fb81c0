//! scoutPRIME: the workspaces of the token's owner.

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::routing::get;

use crate::door::Door;
use crate::error::Error;
use crate::session::{Rows, Session};

pub fn routes(door: &Door) -> Router {
    Router::new()
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
