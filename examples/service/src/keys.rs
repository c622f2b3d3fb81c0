//! API keys managed with an API key: under an identity, the functions of a token's life act as the owner of the
//! presented key, and hand out no more than that key grants.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::{HeaderName, StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;

use crate::error::Error;
use crate::session::{Rows, Session};

/// The body of `POST /v1/api-keys`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    name: String,
    /// The organisation that will own the key; without one, the caller's own account.
    organization: Option<String>,
}

type NotStored = [(HeaderName, &'static str); 1];

/// Creates a key. This is the only response with the text of a key, so it forbids caches to store it.
pub async fn create(
    session: Session,
    body: Result<Json<NewKey>, JsonRejection>,
) -> Result<(StatusCode, NotStored, Rows), Error> {
    let Json(NewKey { name, organization }) = body?;
    let key = session
        .row(
            "SELECT i.id, i.name, i.token AS secret, i.hint AS prefix, i.owner, true AS is_active, i.created_at
               FROM tokenauth.issue('api-key', coalesce('org:' || $1, tokenauth.current_owner()), name => $2) i",
            &[&organization, &name],
        )
        .await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], key))
}

pub async fn list(session: Session) -> Result<Rows, Error> {
    session
        .rows(
            "SELECT l.id, l.name, l.hint AS prefix, l.owner, l.status = 'active' AS is_active, l.created_at,
                    l.last_used_at, l.request_count
               FROM tokenauth.list() l",
            &[],
        )
        .await
}

pub async fn revoke(session: Session, id: Result<Path<Uuid>, PathRejection>) -> Result<StatusCode, Error> {
    let Path(id) = id?;
    session.ask("SELECT tokenauth.revoke($1, reason => 'DELETE /v1/api-keys')", &[&id]).await?;
    Ok(StatusCode::NO_CONTENT)
}
