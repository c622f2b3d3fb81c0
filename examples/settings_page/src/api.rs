//! The API that the tokens are for: one route, which verifies the presented token with one SQL statement.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio_postgres::types::Json as JsonColumn;

use crate::App;
use crate::failure::Failure;

/// Raises no error for a bad token, but returns the response to send.
const VERIFY: &str = "
    SELECT v.owner, v.name, v.kind, v.scopes, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS refusal
      FROM tokenauth.verify_request($1, client => $2) v";

/// The headers that can contain a token. The database gets no others.
const CREDENTIALS: [HeaderName; 2] = [header::AUTHORIZATION, HeaderName::from_static("x-api-key")];

/// `GET /api/whoami`: for whom the presented token acts, and what it may do.
pub async fn whoami(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    verify(&app, client, &headers).await.map_err(|failure| {
        let (status, error) = match failure {
            Failure::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        };
        (status, Json(json!({ "error": error }))).into_response()
    })
}

async fn verify(app: &App, client: SocketAddr, headers: &HeaderMap) -> Result<Response, Failure> {
    let values = |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let credentials: HashMap<String, Vec<Cow<'_, str>>> =
        CREDENTIALS.iter().map(|name| (name.to_string(), values(name))).collect();
    let answer = app.database.api.ask(VERIFY, &[&JsonColumn(credentials), &client.to_string()]).await?;
    if let Some(JsonColumn(refusal)) = answer.try_get::<_, Option<JsonColumn<Value>>>("refusal")? {
        return refused(&refusal).ok_or_else(|| Failure::broken("error_response has answered no response"));
    }
    Ok(Json(json!({
        "owner": answer.try_get::<_, String>("owner")?,
        "token": answer.try_get::<_, Option<String>>("name")?,
        "kind": answer.try_get::<_, String>("kind")?,
        "scopes": answer.try_get::<_, Vec<String>>("scopes")?,
    }))
    .into_response())
}

/// The response that `error_response` made.
fn refused(refusal: &Value) -> Option<Response> {
    let status = StatusCode::from_u16(refusal["status"].as_u64()?.try_into().ok()?).ok()?;
    let headers: HashMap<String, String> = serde_json::from_value(refusal["headers"].clone()).ok()?;
    Some((status, HeaderMap::try_from(&headers).ok()?, refusal["body"].to_string()).into_response())
}
