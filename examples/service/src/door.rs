//! The middleware: one SQL statement verifies the token of a request and gives the request's transaction the identity
//! of the token's owner.
//!
//! Handlers check nothing: row security policies ask for the identity. A refused request gets the response that the
//! database made; the reason stays in the log, under the correlation id.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequest as _, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use deadpool_postgres::Pool;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_postgres::types::Json;
use tracing::{Instrument as _, info, info_span};

use crate::error::{CORRELATION_ID, Error};
use crate::session::Session;

/// Raises no error for a bad token, but returns the response to send. The name of a token is for the log: people paste
/// tokens into names.
const SIGN_IN: &str = "
    SELECT v.verdict, tokenauth.mask(v.name) AS name, v.owner, v.correlation_id,
           CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS refusal
      FROM tokenauth.sign_in_request($1, require => $2, client => $3) v";

/// The headers that can contain a token. The database gets no others.
const CREDENTIALS: [HeaderName; 2] = [header::AUTHORIZATION, HeaderName::from_static("x-api-key")];

/// Lets requests in, each with its transaction on a connection of the pool.
#[derive(Clone)]
pub struct Door {
    pool: Pool,
}

/// The response that `error_response` makes.
#[derive(Deserialize)]
pub struct Refusal {
    status: u16,
    headers: HashMap<String, String>,
    body: Box<RawValue>,
}

type Scopes = &'static [&'static str];

impl Door {
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Lets in only tokens that grant these scopes to these methods of a route.
    pub fn guard(&self, scopes: Scopes, methods: MethodRouter) -> MethodRouter {
        methods.layer(middleware::from_fn_with_state((self.clone(), scopes), enter))
    }
}

async fn enter(
    State((door, scopes)): State<(Door, Scopes)>,
    // Behind a proxy this is the proxy's address: then read the header that your proxy sets, and trust only the proxy.
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let mut request = receive(request).await?;
    let route = route(&request);
    let session = Session::begin(&door.pool).await?;
    let answer = session.ask(SIGN_IN, &[&Json(credentials(request.headers())), &scopes, &client.to_string()]).await?;
    let correlation_id: String = answer.get("correlation_id");
    let span = info_span!("request", %correlation_id);

    let (response, is_good) = if let Some(Json(refusal)) = answer.get::<_, Option<Json<Refusal>>>("refusal") {
        // Committed as well: without shared memory, the transaction itself writes the usage.
        (refusal.into_response(), true)
    } else {
        request.extensions_mut().insert(session.clone());
        let response = next.run(request).instrument(span.clone()).await;
        // A redirection after a change keeps the change.
        let is_good = !response.status().is_client_error() && !response.status().is_server_error();
        (response, is_good)
    };
    // Commit before the response is sent.
    let ended = session.end(is_good).instrument(span.clone()).await;
    let mut response = ended.map_or_else(IntoResponse::into_response, |()| response);

    let [verdict, token, owner] = ["verdict", "name", "owner"].map(|field| answer.get::<_, Option<String>>(field));
    span.in_scope(|| info!(verdict, token, owner, "{route} {}", response.status().as_u16()));
    response.headers_mut().insert(CORRELATION_ID, HeaderValue::try_from(correlation_id).map_err(Error::broken)?);
    // Caches know that an answer to Authorization is nobody else's, but nothing of X-API-Key.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Reads the body before a connection is taken: a slow sender must not hold one.
async fn receive(request: Request) -> Result<Request, Error> {
    let (parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The route for the log, not the requested path: people put tokens into paths.
pub fn route(request: &Request) -> String {
    let path = request.extensions().get::<MatchedPath>().map_or("?", MatchedPath::as_str);
    format!("{} {path}", request.method())
}

/// The credentials as JSON: a header can occur several times, and in any encoding.
pub fn credentials(headers: &HeaderMap) -> HashMap<String, Vec<Cow<'_, str>>> {
    let values = |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    CREDENTIALS.iter().map(|name| (name.to_string(), values(name))).collect()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, headers) = (StatusCode::from_u16(self.status), HeaderMap::try_from(&self.headers));
        match (status, headers) {
            (Ok(status), Ok(headers)) => (status, headers, Box::<str>::from(self.body)).into_response(),
            _ => Error::broken("error_response has answered no response").into_response(),
        }
    }
}
