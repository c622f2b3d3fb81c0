//! A call of every function of the extension, made from its entry in the catalog: a new one cannot be forgotten.

use postgres::Client;
use tokenauth_cluster::contract::issue;

/// What each argument without a default is called with, by its name; first those of one function alone.
const ARGUMENTS: [(&str, &str); 40] = [
    ("import.digest", "pg_catalog.repeat('ab', 32)"),
    ("access", "'verify'"),
    ("algorithm", "'sha256'"),
    ("batch", "'{}'"),
    ("becomes", "'user:1'"),
    ("signal_token.becomes", "1"),
    ("col", "'text'"),
    ("digest", "pg_catalog.sha256(pg_catalog.convert_to('{token}', 'UTF8'))"),
    ("dimension", "'site'"),
    ("from_role", "'target'"),
    ("headers", "pg_catalog.jsonb_build_object('x-api-key', '{token}')"),
    ("id", "'{id}'"),
    ("bind_principals.id", "'id'"),
    ("keep", "'100 years'"),
    ("kind", "'key'"),
    ("lookup", "pg_catalog.left('{token}', 15)"),
    ("member", "'user:1'"),
    ("bind_members.member", "'''user:1'''"),
    ("org", "'org:acme'"),
    ("bind_members.org", "'''org:acme'''"),
    ("owner", "'user:1'"),
    ("principal", "'user:1'"),
    ("report", "'[]'"),
    ("revocations", "'{}'"),
    ("rules", "'{lifetime}'"),
    ("scope", "'devices:read'"),
    ("scopes", "'{devices:read}'"),
    ("since", "'2020-01-01'"),
    ("source", "'who.bound'"),
    ("text", "'text'"),
    ("to_role", "'target'"),
    ("token", "'{token}'"),
    ("recent_usage.token", "'{id}'"),
    ("token_or_id", "'{token}'"),
    ("type", "'thing'"),
    ("v", "pg_catalog.jsonb_populate_record(NULL::tokenauth.verification, '{\"verdict\": \"unknown\"}')"),
    ("value", "'nyc'"),
    ("was", "'user:1'"),
    ("signal_token.was", "1"),
    ("within", "'1 day'"),
];

/// The calls.
pub struct Calls {
    names: Vec<String>,
    kept: Vec<String>,
    token: String,
}

/// Whether a function changes who the transaction is authenticated as.
pub fn changes_identity(function: &str) -> bool {
    function.starts_with("authenticate")
        || function.starts_with("sign_in")
        || ["sign_out", "pre_request"].contains(&function)
}

impl Calls {
    /// Makes a call of every function that is no trigger's, those that change the identity last: after them nothing in
    /// the transaction is a trusted call.
    pub fn of_every_function(client: &mut Client) -> Self {
        let issued = issue(client, "user:1");
        let functions = client
            .query(
                "SELECT proname::text, proretset OR provolatile = 'i',
                        coalesce(proargnames[:pronargs - pronargdefaults], '{}')
                   FROM pg_proc
                  WHERE pronamespace = 'tokenauth'::regnamespace AND prorettype <> 'trigger'::regtype
                  ORDER BY proname",
                &[],
            )
            .unwrap();
        let mut calls = Calls { names: Vec::new(), kept: Vec::new(), token: issued.token };
        let mut functions: Vec<(String, bool, Vec<String>)> =
            functions.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        functions.sort_by_key(|(name, ..)| (changes_identity(name), name == "sign_out"));
        // For pre_request.
        client
            .batch_execute(&format!(
                "ALTER DATABASE postgres SET request.headers = '{{\"x-api-key\": \"{}\"}}'",
                calls.token
            ))
            .unwrap();
        for (name, is_no_expression, arguments) in functions {
            let given: Vec<String> = arguments
                .iter()
                .map(|argument| {
                    let value = value(&name, argument).replace("{token}", &calls.token).replace("{id}", &issued.id);
                    format!("\"{argument}\" => {value}")
                })
                .collect();
            let call = format!("tokenauth.{name}({})", given.join(", "));
            client.execute("INSERT INTO who.call (name, call) VALUES ($1, 'SELECT ' || $2)", &[&name, &call]).unwrap();
            // Of an immutable function, whose arguments here are constant, a plan holds the answer: it is not called
            // again.
            if !is_no_expression {
                client.batch_execute(&kept(&name, &call)).unwrap();
                calls.kept.push(name.clone());
            }
            calls.names.push(name);
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

fn value(function: &str, argument: &str) -> &'static str {
    let found = |name: &str| ARGUMENTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found(&format!("{function}.{argument}"))
        .or_else(|| found(argument))
        .unwrap_or_else(|| panic!("ARGUMENTS does not say with what {function} is called as {argument}"))
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
