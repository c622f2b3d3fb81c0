//! For what stands in front of other services: `/auth`, which nginx asks about each request (`auth_request`), and
//! `/introspect`, which resource servers ask about a token (RFC 7662).

use std::net::{IpAddr, SocketAddr};

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Form, Router};
use serde::Deserialize;
use tokio_postgres::types::Json;
use tracing::info;

use crate::door::{Door, Refusal, credentials};
use crate::error::{CORRELATION_ID, Error};
use crate::session::{Rows, Session};

/// What the token of a caller of `/introspect` must grant.
const MAY_INTROSPECT: &[&str] = &["tokens:introspect"];

/// Tell the service behind the proxy who is there.
const OWNER: HeaderName = HeaderName::from_static("x-auth-owner");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// The address of the client, as the proxy has seen it.
const CLIENT: HeaderName = HeaderName::from_static("x-real-ip");

const VERIFY: &str = "
    SELECT v.verdict, tokenauth.mask(v.name) AS name, v.owner, array_to_string(v.scopes, ' ') AS scopes,
        v.correlation_id,
           CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS refusal
      FROM tokenauth.verify_request($1, require => $2, client => $3) v";

pub fn routes(door: &Door) -> Router {
    Router::new()
        .route("/auth", any(auth).with_state(door.clone()))
        .route("/introspect", door.guard(MAY_INTROSPECT, post(introspect)))
}

/// The query of `/auth`.
#[derive(Deserialize)]
struct Required {
    /// The scopes that the token must grant, with blanks between them.
    #[serde(default)]
    scope: String,
}

/// Answers 204 with owner and scopes in headers, or the response that the client is to get. Only the proxy may reach
/// it: it believes the proxy what the client's address is.
async fn auth(
    State(door): State<Door>,
    ConnectInfo(proxy): ConnectInfo<SocketAddr>,
    required: Result<Query<Required>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Query(Required { scope }) = required?;
    let scopes: Vec<&str> = scope.split_ascii_whitespace().collect();
    let client = headers.get(CLIENT).and_then(|client| client.to_str().ok()?.parse().ok());
    let client: IpAddr = client.unwrap_or(proxy.ip());
    let session = Session::begin(door.pool()).await?;
    let answer = session.ask(VERIFY, &[&Json(credentials(&headers)), &scopes, &client.to_string()]).await?;
    // Committed: without shared memory, the transaction itself writes the usage.
    session.end(true).await?;

    let text = |field| answer.get::<_, Option<String>>(field);
    let correlation_id = text("correlation_id").unwrap_or_default();
    let mut response = if let Some(Json(refusal)) = answer.get::<_, Option<Json<Refusal>>>("refusal") {
        refusal.into_response()
    } else {
        let owner = header_value(&text("owner").unwrap_or_default())?;
        let scopes = header_value(&text("scopes").unwrap_or_default())?;
        (StatusCode::NO_CONTENT, [(OWNER, owner), (SCOPES, scopes)]).into_response()
    };
    let [verdict, token, owner] = ["verdict", "name", "owner"].map(text);
    info!(verdict, token, owner, %correlation_id, "auth {}", response.status().as_u16());
    response.headers_mut().insert(CORRELATION_ID, HeaderValue::try_from(correlation_id).map_err(Error::broken)?);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// An id may be any text; what a header cannot hold is percent-encoded, and so is `%`.
fn header_value(text: &str) -> Result<HeaderValue, Error> {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.extend([format!("%{byte:02X}")]),
        }
    }
    HeaderValue::try_from(encoded).map_err(Error::broken)
}

/// The body of `POST /introspect`; other parameters may be there, such as `token_type_hint`.
#[derive(Deserialize)]
struct Introspection {
    token: String,
}

async fn introspect(session: Session, body: Result<Form<Introspection>, FormRejection>) -> Result<Rows, Error> {
    let Form(Introspection { token }) = body?;
    session.value("SELECT tokenauth.introspect($1)", &[&token]).await
}
