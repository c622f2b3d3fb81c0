//! The transaction in which a request is served, from the middleware to the last statement of its handler.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use deadpool_postgres::{Object, Pool};
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Error;

/// Rows as PostgreSQL writes them in JSON.
pub type Rows = Json<Box<RawValue>>;

/// Parameters of a statement.
pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What a handler extracts to run statements in its request's transaction, which is authenticated by the token.
#[derive(Clone)]
pub struct Session(Arc<Transaction>);

/// A connection in a transaction.
struct Transaction(Option<Object>);

impl Session {
    /// Takes a connection out of the pool and begins a transaction on it.
    pub async fn begin(pool: &Pool) -> Result<Self, Error> {
        let session = Self(Arc::new(Transaction(Some(pool.get().await?))));
        session.0.connection()?.batch_execute("BEGIN").await?;
        Ok(session)
    }

    /// Runs a statement that returns exactly one row.
    pub async fn ask(&self, statement: &str, parameters: Parameters<'_>) -> Result<Row, Error> {
        let connection = self.0.connection()?;
        let prepared = connection.prepare_cached(statement).await?;
        Ok(connection.query_one(&prepared, parameters).await?)
    }

    /// Runs a statement that returns no rows.
    pub async fn run(&self, statement: &str, parameters: Parameters<'_>) -> Result<(), Error> {
        let connection = self.0.connection()?;
        let prepared = connection.prepare_cached(statement).await?;
        connection.execute(&prepared, parameters).await?;
        Ok(())
    }

    /// Returns the JSON that a statement of one row and column returns.
    pub async fn value(&self, statement: &str, parameters: Parameters<'_>) -> Result<Rows, Error> {
        self.json(statement, parameters).await
    }

    /// Returns all rows of a statement, which may be one with RETURNING.
    pub async fn rows(&self, statement: &str, parameters: Parameters<'_>) -> Result<Rows, Error> {
        self.json(&format!("WITH r AS ({statement}) SELECT coalesce(json_agg(r), '[]') FROM r"), parameters).await
    }

    /// Returns the one row of a statement; 404 when there is none, or none that the identity may see.
    pub async fn row(&self, statement: &str, parameters: Parameters<'_>) -> Result<Rows, Error> {
        let only = "SELECT CASE count(*) WHEN 1 THEN (json_agg(r) -> 0) END FROM r";
        self.json(&format!("WITH r AS ({statement}) {only}"), parameters).await
    }

    async fn json(&self, statement: &str, parameters: Parameters<'_>) -> Result<Rows, Error> {
        let json: Option<tokio_postgres::types::Json<_>> = self.ask(statement, parameters).await?.try_get(0)?;
        json.map(|json| Json(json.0)).ok_or_else(Error::not_found)
    }

    /// Commits or rolls back, and returns the connection to the pool.
    ///
    /// PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and with no error. So a statement that does
    /// nothing goes first, which a failed transaction refuses: a handler that has overlooked an error must not tell its
    /// client that all is done.
    pub async fn end(self, is_good: bool) -> Result<(), Error> {
        let mut transaction = Arc::into_inner(self.0).ok_or_else(|| Error::broken("a handler has kept its session"))?;
        transaction.connection()?.batch_execute(if is_good { "SELECT; COMMIT" } else { "ROLLBACK" }).await?;
        transaction.0.take();
        Ok(())
    }
}

impl Transaction {
    fn connection(&self) -> Result<&Object, Error> {
        self.0.as_ref().ok_or_else(|| Error::broken("the transaction is over"))
    }
}

impl Drop for Transaction {
    /// The transaction of an abandoned request is still open, with its identity; closing the connection ends both.
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.remove().ok_or_else(|| Error::broken("this route is not guarded"))
    }
}
