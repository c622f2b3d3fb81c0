//! What becomes of a transaction whose handler has overlooked an error, or redirects.
//!
//! `DATABASE_URL` names a database with a table `note (text)`, `TOKEN` a token that is valid there.

use std::env;
use std::future;
use std::net::SocketAddr;

use axum::Router;
use axum::response::Redirect;
use axum::routing::post;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Door;
use crate::session::Session;
use crate::{accept, pool};

const NOTE: &str = "INSERT INTO note SELECT $1";

async fn overlooks(session: Session) -> &'static str {
    session.run(NOTE, &[&"overlooked"]).await.unwrap_or_default();
    session.run("SELECT 1 / 0", &[]).await.unwrap_or_default();
    "done"
}

async fn redirects(session: Session) -> Redirect {
    session.run(NOTE, &[&"redirected"]).await.unwrap_or_default();
    Redirect::to("/elsewhere")
}

/// The status line of the answer to a POST.
async fn answer(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = env::var("TOKEN").unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nHost: test\r\nX-API-Key: {token}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_overlooked_error_is_told_and_a_redirection_keeps_its_change() {
    let pool = pool(&env::var("DATABASE_URL").unwrap()).unwrap();
    let door = Door::new(pool.clone());
    let api = Router::new()
        .route("/overlooks", door.guard(&[], post(overlooks)))
        .route("/redirects", door.guard(&[], post(redirects)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { accept(listener, &api, future::pending()).await });

    assert_eq!(answer(address, "/overlooks").await, "HTTP/1.1 500 Internal Server Error");
    assert_eq!(answer(address, "/redirects").await, "HTTP/1.1 303 See Other");
    let connection = pool.get().await.unwrap();
    let notes = connection.query_one("SELECT array_agg(text) FROM note", &[]).await.unwrap();
    assert_eq!(notes.get::<_, Vec<String>>(0), ["redirected"]);
}
