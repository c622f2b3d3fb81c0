//! The page where people manage their API tokens, and the API that accepts them.
//!
//! Configured by the environment, as README.md says. Read `pages.rs` first: it lists the pages.

mod api;
mod auth;
mod chart;
mod db;
mod failure;
mod forms;
mod pages;
mod security;

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::Sessions;
use crate::db::Database;
use crate::failure::Failure;

/// The largest form, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What every request can use.
#[derive(Clone)]
pub struct App {
    database: Database,
    sessions: Sessions,
    /// Where browsers find the page, such as `https://example.org`: forms must come from there.
    origin: Arc<str>,
}

impl App {
    fn is_encrypted(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// With encryption, a name that browsers accept only for this host, and only encrypted.
    fn cookie_name(&self) -> &'static str {
        if self.is_encrypted() { "__Host-session" } else { "session" }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_target(false).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tracing::error!("{fault}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [page, observer, api] = ["PAGE_DATABASE_URL", "OBSERVER_DATABASE_URL", "API_DATABASE_URL"]
        .map(|name| env::var(name).map_err(|_| format!("{name} is not set")));
    let database = Database::new(&page?, &observer?, &api?)?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let told_to_stop = told_to_stop()?;
    let listener =
        TcpListener::bind(&address).await.map_err(|error| format!("could not listen on {address}: {error}"))?;
    // With port 0, this tells which port was chosen.
    let here = format!("http://{}", listener.local_addr()?);
    println!("{here}");

    let origin = env::var("PUBLIC_URL").unwrap_or(here).trim_end_matches('/').into();
    let app = App { database, sessions: Sessions::default(), origin };
    let routes = pages::routes()
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(|_| Failure::broken("a page has panicked").into_response()))
        .layer(middleware::from_fn_with_state(app.clone(), security::guard))
        .layer(middleware::from_fn(log))
        .with_state(app)
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes).with_graceful_shutdown(told_to_stop).await?;
    Ok(())
}

/// Logs the route of each request, not the requested path: people put tokens into paths.
async fn log(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("?", MatchedPath::as_str);
    let route = format!("{} {path}", request.method());
    let response = next.run(request).await;
    tracing::info!("{route} {}", response.status().as_u16());
    response
}

fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
