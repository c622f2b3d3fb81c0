//! ParseSphere: keys that are managed with keys, and the parses in the workspaces that a key can access.

use axum::Router;
use axum::routing::{delete, get};

use crate::door::Door;
use crate::error::Error;
use crate::keys;
use crate::session::{Rows, Session};

pub fn routes(door: &Door) -> Router {
    Router::new()
        .route("/v1/api-keys", door.guard(&[], get(keys::list).post(keys::create)))
        .route("/v1/api-keys/{api_key_id}", door.guard(&[], delete(keys::revoke)))
        .route("/v1/parses", door.guard(&["parses:read"], get(parses)))
}

async fn parses(session: Session) -> Result<Rows, Error> {
    session.rows("SELECT id, workspace, document, status FROM parse ORDER BY id", &[]).await
}
