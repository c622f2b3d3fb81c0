//! Palpabl NMS: its devices, for collectors and scripts. `examples/postgraphile` serves its GraphQL API behind
//! the same check.

use axum::extract::Path;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde::Deserialize;

use crate::door::Door;
use crate::error::Error;
use crate::session::{Rows, Session};

pub fn routes(door: &Door) -> Router {
    let one = door.guard(&["dcim.view_device"], get(show)).merge(door.guard(&["dcim.change_device"], patch(change)));
    Router::new()
        .route("/netbox/api/dcim/devices/", door.guard(&["dcim.view_device"], get(list)))
        .route("/netbox/api/dcim/devices/{id}/", one)
}

async fn list(session: Session) -> Result<Rows, Error> {
    session.rows("SELECT id, name, status FROM device ORDER BY id", &[]).await
}

async fn show(session: Session, id: Result<Path<i32>, PathRejection>) -> Result<Rows, Error> {
    let Path(id) = id?;
    session.row("SELECT id, name, status FROM device WHERE id = $1", &[&id]).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    status: String,
}

async fn change(
    session: Session,
    id: Result<Path<i32>, PathRejection>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Rows, Error> {
    let (Path(id), Json(Change { status })) = (id?, change?);
    session.row("UPDATE device SET status = $2 WHERE id = $1 RETURNING id, name, status", &[&id, &status]).await
}
