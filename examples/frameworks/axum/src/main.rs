//! The application that the tests call. `PGHOST`, `PGUSER` and `PGDATABASE` say where its database is, `LISTEN` where
//! it is.

mod tokenauth;

use std::env;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use deadpool_postgres::{Manager, Pool, Runtime};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls, Row};

use tokenauth::{Scopes, Token, enter};

/// The pool, and how long a request waits for one of its connections.
const CONNECTIONS: usize = 2;
const MOST_WAIT: Duration = Duration::from_secs(3);

fn routes(pool: Pool) -> Router {
    let token = |scopes: Scopes| from_fn_with_state((pool.clone(), scopes), enter);
    Router::new()
        .route("/devices", get(devices).layer(token(&["devices:read"])))
        .route("/devices/new", post(add).layer(token(&["devices:write"])))
        .route("/careless", post(add_carelessly).layer(token(&["devices:write"])))
        .route("/health", get(health))
        .with_state(pool)
}

async fn devices(Extension(token): Extension<Token>) -> Result<Json<Vec<Value>>, Failure> {
    let shows_address = token.covers("addresses:read").await?;
    let rows = token.client.query("SELECT name, address FROM device ORDER BY name", &[]).await?;
    let address = |row: &Row| shows_address.then(|| row.get::<_, IpAddr>("address"));
    let device = |row| json!({"name": Row::get::<_, &str>(row, "name"), "address": address(row)});
    Ok(Json(rows.iter().map(device).collect()))
}

#[derive(Deserialize)]
struct Names {
    names: Vec<String>,
}

async fn add(Extension(token): Extension<Token>, Json(body): Json<Names>) -> Result<StatusCode, Failure> {
    save(&token, &body).await?;
    Ok(StatusCode::CREATED)
}

async fn add_carelessly(Extension(token): Extension<Token>, Json(body): Json<Names>) -> StatusCode {
    let _ = save(&token, &body).await;
    StatusCode::CREATED
}

async fn save(token: &Token, body: &Names) -> Result<(), tokio_postgres::Error> {
    for name in &body.names {
        token.client.execute("INSERT INTO device (name) VALUES ($1)", &[name]).await?;
    }
    Ok(())
}

/// Needs no token, and so nobody is authenticated.
async fn health(State(pool): State<Pool>) -> Result<Json<Value>, StatusCode> {
    let connection = pool.get().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let row = connection.query_one("SELECT tokenauth.current_owner() AS owner", &[]).await;
    let row = row.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(json!({"owner": row.get::<_, Option<&str>>("owner")})))
}

/// An error of the database in a handler.
struct Failure(tokio_postgres::Error);

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure(error) = self;
        if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
            return StatusCode::CONFLICT.into_response();
        }
        tracing::error!("{error}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let mut config = Config::new();
    config.host(env::var("PGHOST")?).user(env::var("PGUSER")?).dbname(env::var("PGDATABASE")?);
    let pool = Pool::builder(Manager::new(config, NoTls))
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(MOST_WAIT))
        .build()?;
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into())).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, routes(pool).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
