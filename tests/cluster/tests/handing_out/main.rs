//! Random histories under identities: nothing that a token was handed out by a token ever grants more, works longer or
//! works from more places than that token did, whatever becomes of owners and kinds afterwards.
//!
//! What decides is what `verify` answers. Of each token that is presented a shadow is kept, a copy that nobody edits:
//! it tells what that token, as it was then, would grant later.

mod world;

use postgres::Client;
use tokenauth_cluster::{FAST, Random, Server, rounds};
use world::{FORGET, PREPARE, PRESENTABLE, REFUSALS, VIOLATIONS};

/// A token whose text is known.
#[derive(Clone)]
struct Token {
    id: String,
    text: String,
}

/// What is stored of a token, as far as an edit can extend it.
struct Stored {
    scopes: Vec<String>,
    sites: Vec<String>,
    ends: f64,
    clients: Vec<String>,
}

/// Arguments of `issue`, `import` and `edit`; `None` leaves one out.
#[derive(Default)]
struct Settings {
    scopes: Option<String>,
    data_scopes: Option<String>,
    networks: Option<String>,
    expires_in: Option<String>,
}

impl Settings {
    /// The arguments as they follow others.
    fn sql(&self) -> String {
        let end = self.expires_in.as_ref().map(|end| format!("interval {end}"));
        let given = [
            ("scopes", &self.scopes),
            ("data_scopes", &self.data_scopes),
            ("networks", &self.networks),
            ("expires_in", &end),
        ];
        given.iter().filter_map(|(name, value)| Some(format!(", {name} => {}", value.as_ref()?))).collect()
    }

    /// Those that `import` has.
    fn imported(&self) -> String {
        let scopes = self.scopes.as_ref().map_or(String::new(), |scopes| format!(", scopes => {scopes}"));
        let end = self.expires_in.as_ref();
        scopes + &end.map_or(String::new(), |end| format!(", expires_at => now() + interval {end}"))
    }
}

impl Stored {
    /// Whether it was granted more than before, works longer, and works from more places. Who extends a token in
    /// anything must be able to grant all of it, so any of these counts as the first.
    fn exceeds(&self, before: &Stored) -> [bool; 3] {
        let more = |ours: &[String], theirs: &[String]| ours.iter().any(|one| !theirs.contains(one));
        let (ends, networks) = (self.ends > before.ends, more(&self.clients, &before.clients));
        let grants = more(&self.scopes, &before.scopes) || more(&self.sites, &before.sites);
        [grants || ends || networks, ends, networks]
    }
}

/// One random history.
struct Walk {
    client: Client,
    random: Random,
    seed: u32,
    tokens: Vec<Token>,
    handed_out: usize,
    history: Vec<String>,
}

impl Walk {
    fn scopes(&mut self) -> String {
        // Few of them, so that tokens often differ in what their owner has lost, and in nothing else.
        let some = ["{a,c,m}", "{a,c,m}", "{a,b,c,m}", "{a,b,c,m}", "{a}", "{a,b}", "{b,m}", "{}"];
        format!("'{}'", self.random.pick(&some))
    }

    fn data_scopes(&mut self) -> String {
        let some = [
            "{}",
            "{}",
            "{}",
            "{\"site\": [\"lon\"]}",
            "{\"site\": [\"lon\"]}",
            "{\"site\": [\"lon\", \"nyc\"]}",
            "{\"*\": []}",
        ];
        format!("'{}'", self.random.pick(&some))
    }

    fn networks(&mut self) -> String {
        let some = ["{10.0.0.0/8}", "{10.0.0.0/9}", "{10.128.0.0/9,192.168.0.0/16}", "{0.0.0.0/0,::/0}"];
        format!("'{}'", self.random.pick(&some))
    }

    fn days(&mut self) -> String {
        format!("'{} days'", self.random.pick(&[10, 20, 40, 60]))
    }

    fn owner(&mut self) -> &'static str {
        self.random.pick::<&str>(&["user:ann", "user:ann", "user:ann", "user:ben", "org:acme"])
    }

    /// A kind, and whether scopes of its tokens can be chosen.
    fn kind(&mut self) -> (&'static str, bool) {
        *self.random.pick(&[
            ("first", true),
            ("first", true),
            ("first", true),
            ("second", true),
            ("kept", true),
            ("live", false),
            ("all", false),
        ])
    }

    /// Settings of a token of the application's.
    fn any_settings(&mut self, is_chosen: bool) -> Settings {
        Settings {
            scopes: Some(self.scopes()).filter(|_| is_chosen && self.random.below(2) == 0),
            data_scopes: Some(self.data_scopes()).filter(|_| is_chosen && self.random.below(3) == 0),
            networks: Some(self.networks()).filter(|_| self.random.below(5) == 0),
            expires_in: Some(self.days()).filter(|_| self.random.below(5) == 0),
        }
    }

    /// Settings that mostly keep to the token presented: random ones would mostly be refused.
    fn settings_near(&mut self, presented: &Token, is_chosen: bool) -> Settings {
        let sql = "SELECT string_to_array(scopes, ' ')::text, data_scopes::text, networks::text
                     FROM tokenauth.token WHERE id::text = $1";
        let row = self.client.query_one(sql, &[&presented.id]).unwrap();
        let own = |column: usize| row.get::<_, Option<String>>(column).map(|own| format!("'{own}'"));
        let far = self.any_settings(is_chosen);
        let mut near = |own: Option<String>, far: Option<String>| if self.random.below(4) > 0 { own } else { far };
        Settings {
            scopes: near(own(0), far.scopes).filter(|_| is_chosen),
            data_scopes: near(own(1), far.data_scopes).filter(|_| is_chosen),
            networks: near(own(2), far.networks),
            expires_in: near(Some("'5 days'".to_owned()), far.expires_in),
        }
    }

    /// Runs a statement that returns an id and a text; `None` if it was refused or returned nothing.
    fn attempt(&mut self, sql: &str) -> Option<Token> {
        match self.client.query(sql, &[]) {
            Ok(rows) => rows.first().map(|row| Token { id: row.get(0), text: row.get(1) }),
            Err(error) => {
                let code = error.code().map_or("", |code| code.code());
                assert!(REFUSALS.contains(&code), "seed {}: {sql}: {error:?}: {:#?}", self.seed, self.history);
                None
            }
        }
    }

    /// The application issues a token.
    fn issue(&mut self, owner: &str) {
        let (kind, is_chosen) = self.kind();
        let settings = self.any_settings(is_chosen).sql();
        let sql = format!("SELECT id::text, token FROM tokenauth.issue('{kind}', '{owner}'{settings})");
        self.history.push(sql.clone());
        let issued = self.attempt(&sql);
        self.tokens.extend(issued);
    }

    /// The application changes something, or issues a token by which others may be handed out.
    fn trusted(&mut self) {
        let owner = self.owner();
        let sql = match self.random.below(16) {
            // What is taken away often comes back: that is when something dormant wakes up.
            0..3 => {
                let permissions = if self.random.below(3) == 0 { "'{a,b,c,m}'".to_owned() } else { self.scopes() };
                format!("SELECT owner, tokenauth.put_principal(owner, permissions => {permissions})::text")
            }
            3 | 4 => {
                format!("SELECT owner, tokenauth.put_principal(owner, data_scopes => {})::text", self.data_scopes())
            }
            5 if self.random.below(2) == 0 => "SELECT owner, tokenauth.deactivate(owner)::text".to_owned(),
            6 | 7 => "SELECT owner, tokenauth.activate(owner)::text".to_owned(),
            8 | 9 => {
                let ceiling = if self.random.below(2) == 0 { "NULL".to_owned() } else { self.scopes() };
                let (kind, _) = self.kind();
                format!("UPDATE tokenauth.kind SET ceiling = {ceiling} WHERE name = '{kind}' RETURNING name, ''")
            }
            10 if !self.tokens.is_empty() => {
                let Token { id, .. } = self.random.pick(&self.tokens);
                format!("SELECT owner, tokenauth.disable('{id}')::text")
            }
            _ => return self.issue(owner),
        };
        let sql = if sql.starts_with("SELECT") { format!("{sql} FROM (VALUES ('{owner}')) v (owner)") } else { sql };
        self.history.push(sql.clone());
        self.attempt(&sql);
    }

    /// A token that is valid now, and a client that may present it.
    fn presentable(&mut self) -> Option<(Token, String)> {
        let texts: Vec<&str> = self.tokens.iter().map(|token| token.text.as_str()).collect();
        let rows = self.client.query(PRESENTABLE, &[&texts]).unwrap();
        let row = (!rows.is_empty()).then(|| self.random.pick(&rows))?;
        let number = usize::try_from(row.get::<_, i32>(0)).unwrap();
        Some((self.tokens[number].clone(), row.get(1)))
    }

    /// A random call that hands out, revives or edits, which returns id and text of the token; and whether it edits.
    fn call(&mut self, presented: &Token, token: &Token) -> (String, bool) {
        let ((kind, is_chosen), owner) = (self.kind(), self.owner());
        let settings = self.settings_near(presented, is_chosen);
        let Token { id, text } = token;
        let new = |call: String| format!("SELECT id::text, token FROM tokenauth.{call}");
        let same = |call: String| format!("SELECT '{id}', '{text}' FROM tokenauth.{call}");
        match self.random.below(12) {
            0..4 => (new(format!("issue('{kind}', '{owner}'{})", settings.sql())), false),
            4 => {
                let text = format!("imported {} {}", self.seed, self.history.len());
                let digest = format!("encode(sha256('{text}'), 'hex')");
                let call = format!("import('{kind}', '{owner}', {digest}, 'sha256'{})", settings.imported());
                (format!("SELECT tokenauth.{call}::text, '{text}'"), false)
            }
            5 => (new(format!("rotate('{id}', expires_in => {})", self.days())), false),
            6 => (new(format!("rotate('{id}', '1 day')")), false),
            7 => (format!("SELECT '{id}', tokenauth.reveal('{id}')"), false),
            8 => (same(format!("enable('{id}') changed WHERE changed")), false),
            9 => (same(format!("edit('{id}', expires_in => {})", self.days())), true),
            10 => (same(format!("edit('{id}', networks => '{{}}')")), true),
            _ => (same(format!("edit('{id}'{})", self.settings_near(presented, true).sql())), true),
        }
    }

    /// Somebody who presents a token hands out, revives or edits one. Returns whether that was not refused.
    fn under_an_identity(&mut self) -> bool {
        let Some((presented, client)) = self.presentable() else { return false };
        let token = if self.random.below(3) == 0 { &presented } else { self.random.pick(&self.tokens) }.clone();
        let shadow = format!("shadow {} {}", self.seed, self.history.len());
        self.execute(&format!("SELECT shadow_of('{}', '{shadow}')", presented.id));
        let before = self.stored(&token);
        let (call, is_edit) = self.call(&presented, &token);
        self.history.push(format!("by {} at '{client}': {call}", presented.id));

        self.execute("BEGIN");
        let then = format!(
            "SELECT '', format('%L, %L, %L', scopes(scopes), sites(data_scopes), coalesce(expires_at, 'infinity'))
               FROM tokenauth.sign_in('{}', client => nullif('{client}', '')) WHERE ok",
            presented.text
        );
        let then = self.attempt(&then).expect("the token is valid").text;
        let Some(result) = self.attempt(&call) else {
            self.execute("ROLLBACK");
            return false;
        };
        self.execute("COMMIT");
        self.handed_out += 1;
        let mut exceeds = [true; 3];
        if is_edit {
            exceeds = self.stored(&token).exceeds(&before);
            let [grants, ends, networks] = exceeds.map(|exceeds| !exceeds);
            // What was extended comes from this edit now, and no longer from what the token was handed out by.
            self.execute(&format!(
                "UPDATE handed SET grants = grants AND {grants}, ends = ends AND {ends},
                                   networks = networks AND {networks}
                  WHERE token = '{}'",
                result.text
            ));
        }
        let [grants, ends, networks] = exceeds;
        self.execute(&format!(
            "INSERT INTO handed
             SELECT '{}', '{shadow}', {}, {grants}, {ends}, {networks}, {then}, admitted(networks)
               FROM tokenauth.token WHERE digest = sha256('{shadow}')",
            result.text,
            self.history.len() - 1
        ));
        if !self.tokens.iter().any(|known| known.id == result.id) {
            self.tokens.push(result);
        }
        true
    }

    fn execute(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap();
    }

    fn stored(&mut self, token: &Token) -> Stored {
        let sql = "SELECT scopes(scopes), sites(data_scopes),
                          coalesce(extract(epoch FROM expires_at), 'infinity')::float8, admitted(networks)
                     FROM tokenauth.token WHERE id::text = $1";
        let row = self.client.query_one(sql, &[&token.id]).unwrap();
        Stored { scopes: row.get(0), sites: row.get(1), ends: row.get(2), clients: row.get(3) }
    }

    fn check(&mut self) {
        let violations = self.client.query(VIOLATIONS, &[]).unwrap();
        if let Some(row) = violations.first() {
            let (step, what): (i32, String) = (row.get(0), row.get(1));
            let culprit = &self.history[usize::try_from(step).unwrap()];
            panic!("seed {}: {culprit}\nled to {what}\nhistory: {:#?}", self.seed, self.history);
        }
    }
}

#[test]
fn nothing_handed_out_by_a_token_ever_goes_further_than_that_token() {
    let mut server = Server::start(FAST);
    server.write_file("keys", &format!("seal first {}\n", "5e".repeat(32)), 0o600);
    let key_file = format!("tokenauth.key_file = '{}'", server.file("keys").display());
    server.configure_and_restart(&[&key_file, "shared_preload_libraries = 'tokenauth'", "jit = off"]);
    server.connect("postgres").batch_execute(PREPARE).unwrap();
    let mut handed_out = 0;
    for seed in 0..rounds(60, 3_000) {
        let (client, random) = (server.connect("postgres"), Random::new(seed.into()));
        let mut walk = Walk { client, random, seed, tokens: Vec::new(), handed_out: 0, history: Vec::new() };
        walk.execute(FORGET);
        (0..5).for_each(|_| walk.issue("user:ann"));
        for _ in 0..40 {
            let is_changed = if walk.random.below(2) == 0 {
                walk.trusted();
                true
            } else {
                walk.under_an_identity()
            };
            if is_changed {
                walk.check();
            }
        }
        handed_out += walk.handed_out;
    }
    // Otherwise the histories would prove nothing.
    assert!(handed_out > 300, "only {handed_out} calls were not refused");
}
