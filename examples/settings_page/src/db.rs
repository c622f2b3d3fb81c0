//! The database, by three roles: the page acts for whoever is signed in, the observer looks, the API verifies.
//!
//! Every statement of the program is in this room. Rows are typed, parameters are bound, and each function that acts
//! for a principal takes it as `actor`: the role of the page has `require_actor`, so that forgetting it is an error.

mod administration;
mod kinds;
mod people;
mod tokens;

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

use crate::failure::Failure;
pub use administration::{MOST, Unusual, View};
pub use kinds::{Kind, Offer};
pub use people::Person;
pub use tokens::{Changes, Created, Expiry, Filter, NewToken, Rotation, Token};

/// How long a request waits for a connection.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Parameters of a statement.
type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A pool of connections for each role.
#[derive(Clone)]
pub struct Database {
    page: Role,
    observer: Role,
    /// For [`crate::api`] alone.
    pub api: Role,
}

/// A pool of connections of one role.
#[derive(Clone)]
pub struct Role(Pool);

/// A row of a statement as the program needs it.
trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error>;
}

impl Database {
    /// Prepares the pools, from the connection string of each role; nothing is connected yet.
    pub fn new(page: &str, observer: &str, api: &str) -> Result<Self, String> {
        Ok(Self { page: Role::new(page)?, observer: Role::new(observer)?, api: Role::new(api)? })
    }
}

impl Role {
    fn new(address: &str) -> Result<Self, String> {
        // The parser's own message may contain a password.
        let mut config: Config = address.parse().map_err(|_| "this is no connection string")?;
        config.application_name("tokenauth-settings-page").connect_timeout(MAX_WAIT);
        // Across a network, give it a TLS connector in place of NoTls.
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager).max_size(4).runtime(Runtime::Tokio1).wait_timeout(Some(MAX_WAIT)).build();
        pool.map(Self).map_err(|error| error.to_string())
    }

    /// Runs a statement that returns exactly one row.
    pub async fn ask(&self, statement: &str, parameters: Parameters<'_>) -> Result<Row, Failure> {
        let connection = self.connection().await?;
        let prepared = connection.prepare_cached(statement).await?;
        Ok(connection.query_one(&prepared, parameters).await?)
    }

    async fn rows<T: FromRow>(&self, statement: &str, parameters: Parameters<'_>) -> Result<Vec<T>, Failure> {
        let connection = self.connection().await?;
        let prepared = connection.prepare_cached(statement).await?;
        let rows = connection.query(&prepared, parameters).await?;
        Ok(rows.iter().map(T::from_row).collect::<Result<_, _>>()?)
    }

    /// The first row, if there is one.
    async fn first<T: FromRow>(&self, statement: &str, parameters: Parameters<'_>) -> Result<Option<T>, Failure> {
        Ok(self.rows(statement, parameters).await?.into_iter().next())
    }

    /// The only row; where a function returns none, there is nothing that the actor may see.
    async fn one<T: FromRow>(&self, statement: &str, parameters: Parameters<'_>) -> Result<T, Failure> {
        self.first(statement, parameters).await?.ok_or(Failure::NotFound)
    }

    async fn connection(&self) -> Result<Object, Failure> {
        Ok(self.0.get().await?)
    }
}
