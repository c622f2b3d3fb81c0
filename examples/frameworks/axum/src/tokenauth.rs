//! API tokens for axum, verified by PostgreSQL. Copy this file into your application.
//!
//! A request is one transaction on a connection of the pool. Its first statement verifies the token and gives the
//! transaction the identity of the token's owner, for row security; the next request begins as nobody.
//!
//! A handler that answers with 400 or more is rolled back; otherwise its changes are committed before the response is
//! sent. The connection of a request that is given up, or whose handler panics, is closed.

use std::{error::Error, net::SocketAddr, ops::Deref, sync::Arc};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use deadpool_postgres::{ClientWrapper, Object, Pool};
use serde_json::{Value, json};
use tokio_postgres::{Row, types::Json};

/// Raises no error for a bad token, but returns the response to send. The token is a parameter, so no log shows it.
const SIGN_IN: &str = "
    SELECT v.ok, v.verdict, v.owner, v.scopes, v.correlation_id,
           CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS response
      FROM tokenauth.sign_in_request($1, require => $2, client => $3) v";

/// The scopes that a token must grant.
pub type Scopes = &'static [&'static str];
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The token of a request, as `Extension<Token>`, with a client of the database that works as the token's owner.
#[derive(Clone)]
pub struct Token {
    pub client: Arc<Transaction>,
    pub scopes: Vec<String>,
}

impl Token {
    /// Whether the token grants this scope too, for what only the handler can decide.
    pub async fn covers(&self, scope: &str) -> Result<bool, tokio_postgres::Error> {
        Ok(self.client.query_one("SELECT tokenauth.covers($1, $2)", &[&self.scopes, &scope]).await?.get(0))
    }
}

/// The middleware: `from_fn_with_state((pool, scopes), enter)` lets in only tokens that grant these scopes.
pub async fn enter(
    State((pool, scopes)): State<(Pool, Scopes)>,
    // Behind a proxy this is the proxy's address: then read the header that your proxy sets, and trust only the proxy.
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    // Read the body before a connection is taken: a slow sender must not hold one.
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 20).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let mut request = Request::from_parts(parts, Body::from(body));
    let begun = begin(&pool, scopes, request.headers(), address).await;
    let Ok((client, v)) = begun.inspect_err(|why| tracing::error!("{why}")) else {
        // The database cannot be asked, so nobody is let in.
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "Please try again").into_response();
    };
    let verdict: &str = v.get("verdict");
    tracing::info!(id = v.get::<_, &str>("correlation_id"), verdict, owner = v.get::<_, Option<&str>>("owner"));
    let response = if v.get("ok") {
        request.extensions_mut().insert(Token { client: client.clone(), scopes: v.get("scopes") });
        // Caches know that an answer to Authorization is nobody else's, but nothing of X-API-Key.
        ([(header::CACHE_CONTROL, "no-store")], next.run(request).await).into_response()
    } else {
        refusal(v.get("response"))
    };
    // A refusal is committed as well: without shared memory, the transaction itself writes the usage.
    let is_good = response.status().as_u16() < 400 || verdict != "valid";
    let ended = end(client, is_good).await.inspect_err(|why| tracing::error!("{why}"));
    ended.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), |()| response)
}

async fn begin(pool: &Pool, scopes: Scopes, headers: &HeaderMap, from: SocketAddr) -> Outcome<(Arc<Transaction>, Row)> {
    // The database gets only the headers that can contain a token.
    let all = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
    let presented = Json(json!({"Authorization": all("authorization"), "X-API-Key": all("x-api-key")}));
    let client = Transaction(Some(pool.get().await?));
    client.batch_execute("BEGIN").await?;
    let sign_in = client.prepare_cached(SIGN_IN).await?;
    let v = client.query_one(&sign_in, &[&presented, &scopes, &from.to_string()]).await?;
    Ok((Arc::new(client), v))
}

async fn end(client: Arc<Transaction>, is_good: bool) -> Outcome<()> {
    let mut client = Arc::into_inner(client).ok_or("the handler has kept its token")?;
    // PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and with no error. So a statement that does
    // nothing goes first, which a failed transaction refuses.
    client.batch_execute(if is_good { "SELECT; COMMIT" } else { "ROLLBACK" }).await?;
    client.0.take();
    Ok(())
}

fn refusal(Json(made): Json<Value>) -> Response {
    let status = made["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(401);
    let mut response = Response::builder().status(status);
    for (name, value) in made["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str().unwrap_or_default());
    }
    response.body(Body::from(made["body"].to_string())).unwrap_or_else(|_| StatusCode::UNAUTHORIZED.into_response())
}

/// A connection in a transaction. One that is dropped before its end is closed, and its identity ends with it.
pub struct Transaction(Option<Object>);

impl Drop for Transaction {
    fn drop(&mut self) {
        self.0.take().map(Object::take);
    }
}

impl Deref for Transaction {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.0.as_ref().expect("it is there until the end")
    }
}
