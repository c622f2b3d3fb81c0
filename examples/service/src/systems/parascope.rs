//! Parascope: the configuration items of the sites that the token's data scopes allow.

use axum::extract::Query;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use crate::door::Door;
use crate::error::Error;
use crate::session::{Rows, Session};

pub fn routes(door: &Door) -> Router {
    let items = door.guard(&["ci:read"], get(list)).merge(door.guard(&["ci:write"], post(add)));
    Router::new().route("/api/v1/configuration-items", items)
}

#[derive(Deserialize)]
struct Choice {
    /// `COLUMN:eq:VALUE`
    filter: Option<String>,
}

async fn list(session: Session, choice: Result<Query<Choice>, QueryRejection>) -> Result<Rows, Error> {
    let Query(Choice { filter }) = choice?;
    let (mut ci_type, mut name) = (None, None);
    if let Some(filter) = filter {
        match filter.splitn(3, ':').collect::<Vec<_>>()[..] {
            ["ci_type", "eq", value] => ci_type = Some(value.to_owned()),
            ["name", "eq", value] => name = Some(value.to_owned()),
            _ => return Err(Error::invalid(StatusCode::BAD_REQUEST, "A filter is ci_type:eq:VALUE or name:eq:VALUE")),
        }
    }
    session
        .rows(
            "SELECT id, ci_type, name, site FROM configuration_item
              WHERE ($1::text IS NULL OR ci_type = $1) AND ($2::text IS NULL OR name = $2) ORDER BY id",
            &[&ci_type, &name],
        )
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    ci_type: String,
    name: String,
    site: String,
}

async fn add(session: Session, item: Result<Json<Item>, JsonRejection>) -> Result<(StatusCode, Rows), Error> {
    let Json(Item { ci_type, name, site }) = item?;
    let added = session
        .row(
            "INSERT INTO configuration_item (ci_type, name, site) VALUES ($1, $2, $3)
             RETURNING id, ci_type, name, site",
            &[&ci_type, &name, &site],
        )
        .await?;
    Ok((StatusCode::CREATED, added))
}
