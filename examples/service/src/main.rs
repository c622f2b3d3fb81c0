//! An HTTP API whose requests are authenticated inside PostgreSQL: one of five products, each with its own database.
//!
//! `DATABASE_URL=… LISTEN=127.0.0.1:8080 tokenauth-service parsesphere`. Read `door.rs`, the middleware, first.

mod door;
mod error;
mod gateway;
mod keys;
mod session;
mod systems;

use std::env;
use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_postgres::{Config, NoTls};
use tower_http::catch_panic::CatchPanicLayer;

use crate::systems::System;

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// How long the headers of a request may take to arrive; a connection without a request may stay as long.
const MAX_HEADER_TIME: Duration = Duration::from_secs(10);

/// How long a request may take, including the arrival of its body.
const MAX_TIME: Duration = Duration::from_secs(15);

/// How long a request waits for a connection before it gets 503 and is to try again.
const MAX_WAIT: Duration = Duration::from_secs(3);

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
    let system = env::args().nth(1).ok_or(systems::USAGE)?;
    let database = env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set")?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());

    let System { routes, code } = System::named(&system, pool(&database)?).ok_or(systems::USAGE)?;
    let api = routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(|_| error::Error::broken("a handler has panicked").into_response()))
        .layer(middleware::from_fn_with_state(code, error::explain));
    let told_to_stop = told_to_stop()?;
    let listener =
        TcpListener::bind(&address).await.map_err(|error| format!("could not listen on {address}: {error}"))?;
    // With port 0, this tells which port was chosen.
    println!("http://{}", listener.local_addr()?);
    accept(listener, &api, told_to_stop).await;
    Ok(())
}

/// Serves connections until it is told to stop; then requests that are under way may end.
///
/// In place of `axum::serve`, which waits for headers without end: a client that sends half of a request would keep its
/// connection, and the service from stopping, for as long as it likes.
async fn accept(listener: TcpListener, api: &Router, told_to_stop: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(MAX_HEADER_TIME);
    let connections = GracefulShutdown::new();
    let mut told_to_stop = pin!(told_to_stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut told_to_stop => break,
        };
        match accepted {
            Ok((stream, client)) => {
                let service = TowerToHyperService::new(api.clone().layer(Extension(ConnectInfo(client))));
                let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
                // An error here is the client's: it went away, or sent no HTTP.
                tokio::spawn(async move { drop(connection.await) });
            }
            Err(error) => {
                // Such as too many open files, which others have to close first.
                tracing::error!("could not accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(MAX_TIME, connections.shutdown()).await;
}

/// A pool that connects when a connection is needed, and again after the server was away.
fn pool(database: &str) -> Result<Pool, Box<dyn Error>> {
    // The parser's own message may contain a password.
    let mut config: Config = database.parse().map_err(|_| "DATABASE_URL is no connection string")?;
    config.application_name("tokenauth-service").connect_timeout(MAX_WAIT);
    // Closing a connection does not end its query: the server must look whether the client is still there. Otherwise
    // abandoned requests would hold more connections than the pool knows of.
    config.options("-c client_connection_check_interval=1s");
    // Across a network, give it a TLS connector in place of NoTls.
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    Ok(Pool::builder(manager).max_size(8).runtime(Runtime::Tokio1).wait_timeout(Some(MAX_WAIT)).build()?)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(MAX_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error::Error::too_slow().into_response(),
    }
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
