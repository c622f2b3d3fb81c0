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
        self.ask_each(&[token]).remove(0)
    }

    /// As [`ask`](Self::ask) of each of these tokens in turn, in one statement.
    pub fn ask_each(&mut self, tokens: &[&str]) -> Vec<String> {
        // Not prepared once: DISCARD ALL, or another extension of the same name, would be in the way.
        let rows = self.client.query(&statement(self.by), &[&tokens, &CLIENT]);
        rows.unwrap_or_else(|error| panic!("session {:?}: {error:?}", self.name)).iter().map(|row| row.get(0)).collect()
    }

    /// Owner and scopes of the transaction, as lines, once it is authenticated by the token; the SQLSTATE where it is not
    /// accepted. A session in a transaction of its own each time.
    pub fn authenticate(&mut self, token: &str) -> String {
        let sql = "SELECT 'owner ' || tokenauth.authenticate($1, client => $2), 'scopes ' || tokenauth.current_scopes()::text";
        match self.client.query_one(sql, &[&token, &CLIENT]) {
            Ok(row) => format!("{}\n{}", row.get::<_, String>(0), row.get::<_, String>(1)),
            Err(error) => error.code().unwrap_or_else(|| panic!("{error:?}")).code().to_owned(),
        }
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

fn statement(by: By) -> String {
    let call = match by {
        By::Text => "tokenauth.verify(token, client => $2)",
        By::Digest => "tokenauth.verify_digest(left(token, -38), sha256(convert_to(token, 'UTF8')), client => $2)",
        By::Request => {
            "tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || token), client => $2)"
        }
    };
    format!(
        "SELECT concat_ws(E'\\n', 'verdict ' || v.verdict, 'owner ' || v.owner, 'name ' || v.name, 'scopes ' || v.scopes::text,
                          'data_scopes ' || v.data_scopes::text, 'metadata ' || v.metadata::text,
                          'expires_at ' || (v.expires_at AT TIME ZONE 'UTC')::text, 'detail ' || v.detail::text)
           FROM unnest($1::text[]) WITH ORDINALITY AS t (token, number), LATERAL {call} v
          ORDER BY number"
    )
}
