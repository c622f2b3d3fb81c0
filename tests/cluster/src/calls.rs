//! A call of every function of the extension, made from its entry in the catalog: a new one cannot be forgotten.

use postgres::Client;

use crate::contract::Issued;

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

/// What the calls name, for a role `app` that may make them all.
pub const OBJECTS: &str = "
    SELECT tokenauth.put_principal('org:acme'), tokenauth.add_member('org:acme', 'user:1');
    CREATE ROLE app;
    CREATE ROLE target;
    SELECT tokenauth.grant_access('app', 'admin'), tokenauth.grant_access('app', 'observe');
    CREATE SCHEMA who;
    GRANT USAGE ON SCHEMA who TO PUBLIC;
    CREATE TABLE who.bound (id integer PRIMARY KEY, text text);
    INSERT INTO who.bound VALUES (1, 'one');
    ALTER TABLE who.bound OWNER TO app";

/// A function of the extension, and a call of it.
pub struct Call {
    /// Its name.
    pub function: String,
    /// The call, as an expression. It names what [`OBJECTS`] makes, and reads the headers of a request where
    /// [`request_headers`] has set them.
    pub expression: String,
    /// Whether it returns one value, and a new one with each call: an immutable function called with constants has its
    /// answer in the plan.
    pub is_evaluated: bool,
}

/// Whether a function changes who the transaction is authenticated as.
#[must_use]
pub fn changes_identity(function: &str) -> bool {
    function.starts_with("authenticate")
        || function.starts_with("sign_in")
        || ["sign_out", "pre_request"].contains(&function)
}

/// Makes a call of every function that is no trigger's, those that change the identity last: after them nothing in the
/// transaction is a trusted call. What they are about is this token, of a kind `key` and of `user:1`.
pub fn of_every_function(client: &mut Client, issued: &Issued) -> Vec<Call> {
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
    let mut functions: Vec<(String, bool, Vec<String>)> =
        functions.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    functions.sort_by_key(|(name, ..)| (changes_identity(name), name == "sign_out"));
    let call = |(function, is_no_expression, arguments): (String, bool, Vec<String>)| {
        let given: Vec<String> = arguments.iter().map(|argument| given(&function, argument, issued)).collect();
        let expression = format!("tokenauth.{function}({})", given.join(", "));
        Call { function, expression, is_evaluated: !is_no_expression }
    };
    functions.into_iter().map(call).collect()
}

/// A call of a function of the extension with anything as one of its arguments.
pub struct CallWith {
    /// The name of the function.
    pub function: String,
    /// The name of the argument.
    pub argument: String,
    /// Its type.
    pub of_type: String,
    /// The other arguments that it must be given.
    others: Vec<String>,
}

impl CallWith {
    /// The call with this value, an expression.
    #[must_use]
    pub fn given(&self, value: &str) -> String {
        let Self { function, argument, others, .. } = self;
        let arguments = [others.clone(), vec![format!("\"{argument}\" => {value}")]].concat();
        format!("tokenauth.{function}({})", arguments.join(", "))
    }
}

/// Makes a call for every argument of every function that is no trigger's; the others that it must be given are about
/// this token, as in [`of_every_function`].
pub fn with_every_argument(client: &mut Client, issued: &Issued) -> Vec<CallWith> {
    let arguments = client
        .query(
            "SELECT proname::text, name, format_type(type, NULL),
                    coalesce(proargnames[:pronargs - pronargdefaults], '{}')
               FROM pg_proc, unnest(proargtypes::oid[], proargnames[:pronargs]) AS argument (type, name)
              WHERE pronamespace = 'tokenauth'::regnamespace AND prorettype <> 'trigger'::regtype
              ORDER BY proname, name",
            &[],
        )
        .unwrap();
    let call = |row: &postgres::Row| {
        let (function, argument, required): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(3));
        let others = required.iter().filter(|other| **other != argument);
        let others = others.map(|other| given(&function, other, issued)).collect();
        CallWith { function, argument, of_type: row.get(2), others }
    };
    arguments.iter().map(call).collect()
}

/// Sets the headers that `pre_request()` reads, for sessions that begin later in this database.
pub fn request_headers(client: &mut Client, issued: &Issued) {
    client
        .batch_execute(&format!(
            "ALTER DATABASE postgres SET request.headers = '{{\"x-api-key\": \"{}\"}}'",
            issued.token
        ))
        .unwrap();
}

fn given(function: &str, argument: &str, issued: &Issued) -> String {
    let value = value(function, argument).replace("{token}", &issued.token).replace("{id}", &issued.id);
    format!("\"{argument}\" => {value}")
}

fn value(function: &str, argument: &str) -> &'static str {
    let found = |name: &str| ARGUMENTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found(&format!("{function}.{argument}"))
        .or_else(|| found(argument))
        .unwrap_or_else(|| panic!("ARGUMENTS does not say with what {function} is called as {argument}"))
}
