//! The people of the application.

use tokio_postgres::Row;

use super::{Database, FromRow};
use crate::failure::Failure;

/// Somebody who may sign in.
pub struct Person {
    pub id: String,
    pub name: String,
    pub is_administrator: bool,
}

impl FromRow for Person {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            is_administrator: row.try_get("is_administrator")?,
        })
    }
}

impl Database {
    /// Everybody who may sign in.
    pub async fn people(&self) -> Result<Vec<Person>, Failure> {
        self.page.rows("SELECT id, name, is_administrator FROM person WHERE is_active ORDER BY name", &[]).await
    }

    /// The person with this id; nobody if it was deactivated, signed in or not.
    pub async fn person(&self, id: &str) -> Result<Option<Person>, Failure> {
        self.page.first("SELECT id, name, is_administrator FROM person WHERE id = $1 AND is_active", &[&id]).await
    }
}
