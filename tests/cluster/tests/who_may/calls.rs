//! The calls of every function, where code of any role finds them.

use postgres::Client;
use tokenauth_cluster::calls;
use tokenauth_cluster::contract::issue;

/// The calls.
pub struct Calls {
    names: Vec<String>,
    kept: Vec<String>,
    token: String,
}

impl Calls {
    /// Lays down a call of every function, in their order.
    pub fn of_every_function(client: &mut Client) -> Self {
        let issued = issue(client, "user:1");
        calls::request_headers(client, &issued);
        let made = calls::of_every_function(client, &issued);
        let mut calls = Calls { names: Vec::new(), kept: Vec::new(), token: issued.token };
        for call in made {
            let insert = "INSERT INTO who.call (name, call) VALUES ($1, 'SELECT ' || $2)";
            client.execute(insert, &[&call.function, &call.expression]).unwrap();
            if call.is_evaluated {
                client.batch_execute(&kept(&call.function, &call.expression)).unwrap();
                calls.kept.push(call.function.clone());
            }
            calls.names.push(call.function);
        }
        calls
    }

    /// Every function.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Those that an expression of PL/pgSQL can call.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// The text of the token that the calls present.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// A function whose expression PL/pgSQL keeps for the transaction.
fn kept(name: &str, call: &str) -> String {
    format!(
        "CREATE FUNCTION who.kept_{name}() RETURNS text LANGUAGE plpgsql AS $kept$
             DECLARE answer text;
             BEGIN
                 answer := {call};
                 RETURN '00000';
             EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
             END $kept$"
    )
}
