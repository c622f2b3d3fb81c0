//! Permission Assist: users and access reviews, for integrations whose calls can be told apart afterwards.

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::routing::{get, post};

use crate::door::Door;
use crate::error::Error;
use crate::session::{Rows, Session};

pub fn routes(door: &Door) -> Router {
    Router::new()
        .route("/api/v1/users", door.guard(&["users:read"], get(users)))
        .route("/api/v1/reviews/{id}/approve", door.guard(&["reviews:approve"], post(approve)))
}

async fn users(session: Session) -> Result<Rows, Error> {
    session.rows("SELECT id, name, department FROM person ORDER BY id", &[]).await
}

/// The defaults of the audit log's columns record which token it was, and whose.
async fn approve(session: Session, id: Result<Path<i32>, PathRejection>) -> Result<Rows, Error> {
    let Path(id) = id?;
    let review = session
        .row("UPDATE review SET state = 'approved' WHERE id = $1 RETURNING id, person_id, state", &[&id])
        .await?;
    session.run("INSERT INTO audit_log (call, review_id) VALUES ('approve', $1)", &[&id]).await?;
    Ok(review)
}
