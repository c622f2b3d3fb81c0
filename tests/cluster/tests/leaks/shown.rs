//! A token that is presented once, in one form.

use postgres::Client;
use postgres::types::ToSql;
use tokenauth_cluster::contract::issue;

/// How a token is presented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Literal,
    Bind,
    Digest,
}

/// A token that is presented in one cell, in one form.
pub struct Shown {
    /// The token itself.
    pub token: String,
    /// How it is presented.
    pub form: Form,
    /// The call that verifies it.
    pub call: String,
    /// The token as an SQL text; for a digest, the value that the application has instead.
    pub text: String,
}

impl Shown {
    /// Issues a token as `client`. What an application would compute, `application` computes.
    pub fn new(client: &mut Client, application: &mut Client, form: Form) -> Self {
        // The token that `issue` returns must be nowhere either, however much is logged.
        client
            .batch_execute("SET log_statement = 'all'; SET log_duration = on; SET auto_explain.log_min_duration = 0")
            .unwrap();
        let token = issue(client, "user:1").token;
        client.batch_execute("RESET ALL").unwrap();
        let (call, text) = match form {
            Form::Literal => (format!("tokenauth.verify('{token}')"), format!("'{token}'::text")),
            Form::Bind => ("tokenauth.verify($1)".to_owned(), "$1::text".to_owned()),
            Form::Digest => {
                let sha256 = "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')";
                let digest: String = application.query_one(sha256, &[&token]).unwrap().get(0);
                let lookup = &token[..4 + 11];
                (format!("tokenauth.verify_digest('{lookup}', '\\x{digest}')"), format!("'{digest}'::text"))
            }
        };
        Shown { token, form, call, text }
    }

    /// The statement with call and text filled in.
    pub fn fill(&self, sql: &str) -> String {
        sql.replace("{call}", &self.call).replace("{text}", &self.text)
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        if self.form == Form::Bind { vec![&self.token] } else { vec![] }
    }

    /// Runs the statement, filled in.
    pub fn run(&self, client: &mut Client, sql: &str) -> Result<(), postgres::Error> {
        client.query(&self.fill(sql), &self.parameters()).map(drop)
    }

    /// The part of the token that nobody else knows.
    pub fn secret(&self) -> &str {
        let checksum = self.token.len() - 6;
        &self.token[checksum - 32..checksum]
    }
}
