//! Tokens of tokenauth in a Rust application, with tokio-postgres.
//!
//! Presents the tokens in the environment variables `LITERAL_TOKEN`, `BIND_TOKEN` and `DIGEST_TOKEN`, each in the form
//! that the name says. `PGHOST`, `PGUSER` and `PGDATABASE` say where the database is; `../schema.sql` sets it up.

use std::env;

use chrono::{DateTime, Utc};
use postgres_protocol::escape::escape_literal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Transaction, TransactionBuilder};
use uuid::Uuid;

/// How a token is presented.
#[derive(Clone, Copy)]
enum Form {
    /// Written into the statement, so logs show it.
    Literal,
    /// As a bind parameter.
    Bind,
    /// The server never sees the token: it gets only the lookup, which is public, and the SHA-256.
    Digest,
}

/// The outcome of a verification. What a refused token must not reveal is `None`.
struct Verification {
    verdict: String,
    http_status: i32,
    token_id: Option<Uuid>,
    owner: Option<String>,
    scopes: Option<Vec<String>>,
    data_scopes: Option<Value>,
    expires_at: Option<DateTime<Utc>>,
    detail: Option<Value>,
    /// The response to send when the token is refused.
    response: Option<Value>,
}

impl From<Row> for Verification {
    fn from(row: Row) -> Self {
        Verification {
            verdict: row.get("verdict"),
            http_status: row.get("http_status"),
            token_id: row.get("token_id"),
            owner: row.get("owner"),
            scopes: row.get("scopes"),
            data_scopes: row.get("data_scopes"),
            expires_at: row.get("expires_at"),
            detail: row.get("detail"),
            response: row.get("response"),
        }
    }
}

/// Lookup and digest; the lookup is followed by 32 characters of secret and 6 of checksum.
fn digested(token: &str) -> (&str, Vec<u8>) {
    let lookup = token.len().checked_sub(38).and_then(|end| token.get(..end)).unwrap_or_default();
    (lookup, Sha256::digest(token).to_vec())
}

/// A request takes one statement, which returns who it is or, for a refused token, the response to send.
async fn verify(client: &Client, form: Form, token: &str, require: &[&str]) -> Result<Verification, Error> {
    let answer = |call: &str| {
        format!(
            "SELECT v.*, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS response FROM tokenauth.{call} v"
        )
    };
    let row = match form {
        Form::Literal => {
            let call = format!("verify({}, require => $1)", escape_literal(token));
            client.query_one(&answer(&call), &[&require]).await
        }
        Form::Bind => client.query_one(&answer("verify($1, require => $2)"), &[&token, &require]).await,
        Form::Digest => {
            let (lookup, digest) = digested(token);
            // Prepared here; a server does this once for each of its connections.
            let statement = client.prepare(&answer("verify_digest($1, $2, require => $3)")).await?;
            client.query_one(&statement, &[&lookup, &digest, &require]).await
        }
    };
    row.map(Verification::from)
}

/// A transaction that is authenticated by the token: it sees its owner's rows and manages tokens as its owner.
async fn authenticated<'a>(
    transaction: TransactionBuilder<'a>,
    form: Form,
    token: &str,
) -> Result<Transaction<'a>, Error> {
    let transaction = transaction.start().await?;
    match form {
        Form::Literal => {
            let sql = format!("SELECT tokenauth.authenticate({})", escape_literal(token));
            transaction.execute(&sql, &[]).await?;
        }
        Form::Bind => {
            transaction.execute("SELECT tokenauth.authenticate($1)", &[&token]).await?;
        }
        Form::Digest => {
            let (lookup, digest) = digested(token);
            transaction.execute("SELECT tokenauth.authenticate_digest($1, $2)", &[&lookup, &digest]).await?;
        }
    }
    Ok(transaction)
}

async fn present(client: &mut Client, form: Form, token: &str) -> Result<(), Error> {
    let v = verify(client, form, token, &["devices:read"]).await?;
    println!("{} {}: {:?} by {:?} until {:?}", v.verdict, v.http_status, v.owner, v.token_id, v.expires_at);
    println!("  scopes {:?}, data scopes {:?}, response {:?}", v.scopes, v.data_scopes, v.response);
    let v = verify(client, form, token, &["devices:read", "devices:write"]).await?;
    let challenge = v.response.as_ref().map(|response| &response["headers"]["WWW-Authenticate"]);
    println!("{} {}: {:?}, challenge {challenge:?}", v.verdict, v.http_status, v.detail);

    // Policies do the rest; without a token they show nothing.
    println!("devices without a token: {}", client.query("SELECT name FROM device", &[]).await?.len());
    let transaction = authenticated(client.build_transaction().read_only(true), form, token).await?;
    for device in transaction.query("SELECT name, address FROM device ORDER BY name", &[]).await? {
        let (name, address): (&str, std::net::IpAddr) = (device.get("name"), device.get("address"));
        println!("device {name} at {address:?}");
    }
    transaction.commit().await?;

    manage(authenticated(client.build_transaction(), form, token).await?).await?;

    // Anything that is not allowed raises an error; dropping the transaction rolls it back.
    let issue = "SELECT token FROM tokenauth.issue($1, 'user:1', scopes => $2, expires_in => '30 days')";
    for (kind, scope) in [("api", "devices:write"), ("robot", "devices:read")] {
        let transaction = authenticated(client.build_transaction(), form, token).await?;
        refused(transaction.query(issue, &[&kind, &[scope].as_slice()]).await.map(drop))?;
    }

    // The token is dead as soon as this transaction has committed.
    let transaction = authenticated(client.build_transaction(), form, token).await?;
    transaction.execute("SELECT tokenauth.revoke(tokenauth.current_token_id())", &[]).await?;
    transaction.commit().await?;
    let v = verify(client, form, token, &["devices:read"]).await?;
    let body = v.response.as_ref().map(|response| &response["body"]["error"]);
    println!("{} {}: {:?}, scopes {:?}, body {body:?}", v.verdict, v.http_status, v.owner, v.scopes);
    refused(authenticated(client.build_transaction(), form, token).await.map(drop))
}

/// The holder manages tokens with the token. The text of a new one is returned once and never again.
async fn manage(transaction: Transaction<'_>) -> Result<(), Error> {
    let owner: String = transaction.query_one("SELECT tokenauth.current_owner()", &[]).await?.get(0);
    // The driver has no type for `interval`, so PostgreSQL makes it.
    let issue = "SELECT * FROM tokenauth.issue('api', $1, 'CI', scopes => $2, networks => $3, \
                                                     expires_in => make_interval(days => $4))";
    let issued = transaction
        .query_one(issue, &[&owner, &["devices:read"].as_slice(), &["192.0.2.0/24"].as_slice(), &30])
        .await?;
    let (id, hint, token): (Uuid, &str, &str) = (issued.get("id"), issued.get("hint"), issued.get("token"));
    let (created_at, expires_at): (DateTime<Utc>, DateTime<Utc>) = (issued.get("created_at"), issued.get("expires_at"));
    println!("issued {hint} for {} days, {} characters", (expires_at - created_at).num_days(), token.len());

    let rotate = "SELECT id FROM tokenauth.rotate($1, grace => make_interval(hours => $2))";
    let rotated: Uuid = transaction.query_one(rotate, &[&id, &1]).await?.get("id");
    let status = transaction.query_one("SELECT * FROM tokenauth.rotation_status($1)", &[&rotated]).await?;
    let both: (Uuid, Uuid) = (status.get("predecessor"), status.get("successor"));
    println!("rotated: {}", both == (id, rotated));
    let list =
        "SELECT name, status, networks, request_count FROM tokenauth.list(kind => 'api') WHERE rotated_from = $1";
    for t in transaction.query(list, &[&id]).await? {
        let (name, status): (&str, &str) = (t.get("name"), t.get("status"));
        let (networks, used): (Vec<String>, i64) = (t.get("networks"), t.get("request_count"));
        println!("listed {name}: {status}, networks {networks:?}, used {used:?} times");
    }
    let revoke = transaction.prepare("SELECT tokenauth.revoke($1, 'no longer needed')").await?;
    for id in [rotated, rotated] {
        println!("revoked, was alive: {}", transaction.query_one(&revoke, &[&id]).await?.get::<_, bool>(0));
    }
    transaction.commit().await
}

/// Prints why the database has refused; any other error goes on to the caller.
fn refused(outcome: Result<(), Error>) -> Result<(), Error> {
    const REFUSALS: [&SqlState; 3] = [
        &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        &SqlState::INSUFFICIENT_PRIVILEGE,
        &SqlState::UNDEFINED_OBJECT,
    ];
    match outcome {
        Err(error) if error.code().is_some_and(|code| REFUSALS.contains(&code)) => {
            let told = error.as_db_error().expect("what has a code is from the database");
            let hint = told.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            println!("{}: {}{hint}", told.code().code(), told.message());
            Ok(())
        }
        outcome => outcome,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::new();
    config.host(env::var("PGHOST")?).user(env::var("PGUSER")?).dbname(env::var("PGDATABASE")?);
    let (mut client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    for (name, form) in [("literal", Form::Literal), ("bind", Form::Bind), ("digest", Form::Digest)] {
        println!("-- {name}");
        present(&mut client, form, &env::var(format!("{}_TOKEN", name.to_uppercase()))?).await?;
    }
    Ok(())
}
