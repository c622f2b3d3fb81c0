//! A session that verifies, and answers from memory where that is allowed.

use postgres::Client;

use crate::Server;

/// The address that all verifications here come from.
const CLIENT: &str = "192.0.2.7";

/// Which function verifies.
#[derive(Clone, Copy)]
pub enum By {
    /// `verify`
    Text,
    /// `verify_digest`
    Digest,
    /// `verify_request`
    Request,
}

/// A session that verifies by one function, in a transaction that stays open if it was begun with one.
pub struct Verifier {
    /// For messages: its transaction.
    pub name: &'static str,
    /// Its connection.
    pub client: Client,
    by: By,
}

impl Verifier {
    /// A session that verifies after it has executed `begin`, which is its name too.
    #[must_use]
    pub fn connect(server: &Server, begin: &'static str, by: By) -> Self {
        let mut client = server.connect("postgres");
        client.batch_execute(begin).unwrap();
        Verifier { name: begin, client, by }
    }

    /// A session that remembers nothing: its answers are what the tables say.
    #[must_use]
    pub fn without_memory(server: &Server) -> Self {
        Self::connect(server, "SET tokenauth.cache_size = 0", By::Text)
    }

    /// One in its own transaction each time, one in an open transaction, and one in an open transaction with a snapshot,
    /// each by another function.
    #[must_use]
    pub fn each(server: &Server) -> [Self; 3] {
        [
            Self::connect(server, "", By::Text),
            Self::connect(server, "BEGIN", By::Digest),
            Self::connect(server, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1", By::Request),
        ]
    }

    /// All that verification tells of the token, a line for each field that is not NULL.
    pub fn ask(&mut self, token: &str) -> String {
        let call = match self.by {
            By::Text => "tokenauth.verify($1, client => $2)",
            By::Digest => "tokenauth.verify_digest(left($1, -38), sha256(convert_to($1, 'UTF8')), client => $2)",
            By::Request => {
                "tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || $1), client => $2)"
            }
        };
        let sql = format!(
            "SELECT concat_ws(E'\\n', 'verdict ' || verdict, 'owner ' || owner, 'name ' || name, 'scopes ' || scopes::text,
                              'data_scopes ' || data_scopes::text, 'metadata ' || metadata::text,
                              'expires_at ' || (expires_at AT TIME ZONE 'UTC')::text, 'detail ' || detail::text)
               FROM {call}"
        );
        self.client
            .query_one(&sql, &[&token, &CLIENT])
            .unwrap_or_else(|error| panic!("session {:?}: {error:?}", self.name))
            .get(0)
    }

    /// What [`ask`](Self::ask) answers as soon as it answers from memory, which is from the third time on; the answer has
    /// to be the same each time.
    pub fn heat(&mut self, token: &str) -> String {
        let first = self.ask(token);
        for _ in 0..3 {
            assert_eq!(self.ask(token), first, "session {:?} answers differently from memory", self.name);
        }
        first
    }
}
