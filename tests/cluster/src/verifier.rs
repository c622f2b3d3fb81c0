//! Sessions that verify, and answer from memory where that is allowed.

use postgres::Client;

use crate::Server;

/// The address from which all verifications here come.
const CLIENT: &str = "192.0.2.7";

/// The function that verifies.
#[derive(Clone, Copy)]
pub enum By {
    /// `verify`
    Text,
    /// `verify_digest`
    Digest,
    /// `verify_request`
    Request,
}

/// A session that verifies with one function; if it began a transaction, that transaction stays open.
pub struct Verifier {
    /// How its transaction began, for messages.
    pub name: &'static str,
    /// The connection.
    pub client: Client,
    by: By,
}

impl Verifier {
    /// Opens a session that executes `begin`, which is also its name, and then verifies.
    #[must_use]
    pub fn connect(server: &Server, begin: &'static str, by: By) -> Self {
        let mut client = server.connect("postgres");
        client.batch_execute(begin).unwrap();
        Verifier { name: begin, client, by }
    }

    /// Opens a session that remembers nothing: its answers are what the tables say.
    #[must_use]
    pub fn without_memory(server: &Server) -> Self {
        Self::connect(server, "SET tokenauth.cache_size = 0", By::Text)
    }

    /// Opens three sessions: one without an open transaction, one in an open transaction, and one in an open
    /// transaction with a snapshot, each with another function.
    #[must_use]
    pub fn each(server: &Server) -> [Self; 3] {
        [
            Self::connect(server, "", By::Text),
            Self::connect(server, "BEGIN", By::Digest),
            Self::connect(server, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1", By::Request),
        ]
    }

    /// All that a verification returns, one line for each field that is not NULL.
    pub fn ask(&mut self, token: &str) -> String {
        self.ask_each(&[token]).remove(0)
    }

    /// As [`ask`](Self::ask), for each of these tokens in turn, in one statement.
    pub fn ask_each(&mut self, tokens: &[&str]) -> Vec<String> {
        // Not prepared in advance: DISCARD ALL, or a newly created extension, would invalidate the statement.
        let rows = self.client.query(&statement(self.by), &[&tokens, &CLIENT]);
        rows.unwrap_or_else(|error| panic!("session {:?}: {error:?}", self.name)).iter().map(|row| row.get(0)).collect()
    }

    /// Owner and scopes of the transaction, as lines, after authenticating with the token; the SQLSTATE when it is
    /// refused. For a session without an open transaction.
    pub fn authenticate(&mut self, token: &str) -> String {
        let sql = "SELECT 'owner ' || tokenauth.authenticate($1, client => $2),
                          'scopes ' || tokenauth.current_scopes()::text";
        match self.client.query_one(sql, &[&token, &CLIENT]) {
            Ok(row) => format!("{}\n{}", row.get::<_, String>(0), row.get::<_, String>(1)),
            Err(error) => error.code().unwrap_or_else(|| panic!("{error:?}")).code().to_owned(),
        }
    }

    /// The answer of [`ask`](Self::ask) from memory, which it gives from the third time on; all answers must be the
    /// same.
    pub fn heat(&mut self, token: &str) -> String {
        let first = self.ask(token);
        for _ in 0..3 {
            assert_eq!(self.ask(token), first, "session {:?} answers differently from memory", self.name);
        }
        first
    }
}

fn statement(by: By) -> String {
    let call = match by {
        By::Text => "tokenauth.verify(token, client => $2)",
        By::Digest => "tokenauth.verify_digest(left(token, -38), sha256(convert_to(token, 'UTF8')), client => $2)",
        By::Request => {
            "tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || token), client => $2)"
        }
    };
    format!(
        "SELECT concat_ws(E'\\n', 'verdict ' || v.verdict, 'owner ' || v.owner, 'name ' || v.name,
                          'scopes ' || v.scopes::text, 'data_scopes ' || v.data_scopes::text,
                          'metadata ' || v.metadata::text,
                          'expires_at ' || (v.expires_at AT TIME ZONE 'UTC')::text, 'detail ' || v.detail::text)
           FROM unnest($1::text[]) WITH ORDINALITY AS t (token, number), LATERAL {call} v
          ORDER BY number"
    )
}
