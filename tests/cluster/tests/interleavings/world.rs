//! The model: the state, what each change does to it, and what verification answers.

use tokenauth_cluster::Random;

/// The scopes of the model; a set of them is a set of bits.
const SCOPES: [&str; 3] = ["a", "b", "c"];
const ALL: u8 = 0b111;

const MOST_TOKENS: usize = 4;

fn scopes(set: u8) -> String {
    let of = (0..).zip(SCOPES).filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, scope)| scope);
    format!("{{{}}}", of.collect::<Vec<_>>().join(","))
}

fn data_scopes(one_site: bool) -> &'static str {
    if one_site { "{\"site\": [\"lon\"]}" } else { "{}" }
}

/// The state as one session sees it.
#[derive(Clone)]
pub struct World {
    active: bool,
    permissions: u8,
    /// Whether the owner is restricted to one site.
    one_site: bool,
    /// The ceilings of the intersect kind and of the live kind.
    ceilings: [u8; 2],
    pub tokens: Vec<Token>,
}

#[derive(Clone)]
pub struct Token {
    pub text: String,
    pub id: String,
    /// Index of its kind: 0 is intersect and revokes, 1 is live and suspends.
    kind: usize,
    scopes: u8,
    one_site: bool,
    name: u64,
    dead: bool,
    disabled: bool,
}

impl World {
    pub fn new() -> Self {
        World { active: true, permissions: ALL, one_site: false, ceilings: [ALL; 2], tokens: Vec::new() }
    }

    /// The answer of verifying the token.
    pub fn answer(&self, token: &Token) -> String {
        let Token { kind, scopes: granted, one_site, name, dead, disabled, .. } = *token;
        let refused = |verdict| format!("verdict {verdict}\nname {name}");
        if dead {
            refused("revoked")
        } else if disabled {
            refused("disabled")
        } else if !self.active {
            refused("owner_inactive")
        } else {
            let granted = if kind == 0 { granted } else { ALL } & self.permissions & self.ceilings[kind];
            let data_scopes = data_scopes(self.one_site || one_site);
            format!("verdict valid\nowner $owner\nname {name}\nscopes {}\ndata_scopes {data_scopes}", scopes(granted))
        }
    }

    /// Issues a token, unless owner and kind allow nothing to be granted.
    pub fn issue(&mut self, random: &mut Random) -> Option<String> {
        let kind = random.index(2);
        let scopes_held = u8::try_from(random.below(8)).unwrap() & self.permissions & self.ceilings[0];
        if !self.active || self.tokens.len() == MOST_TOKENS || kind == 0 && scopes_held == 0 {
            return None;
        }
        let (name, one_site) = (random.below(1_000), kind == 0 && self.one_site);
        let (text, id) = (String::new(), String::new());
        self.tokens.push(Token { text, id, kind, scopes: scopes_held, one_site, name, dead: false, disabled: false });
        Some(if kind == 0 {
            format!(
                "SELECT token, id::text
                   FROM tokenauth.issue('$key', '$owner', '{name}', scopes => '{}', data_scopes => '{}')",
                scopes(scopes_held),
                data_scopes(one_site)
            )
        } else {
            format!("SELECT token, id::text FROM tokenauth.issue('$seat', '$owner', '{name}')")
        })
    }

    /// Makes a random change, and returns its statement; `None` when it would be refused.
    pub fn change(&mut self, random: &mut Random) -> Option<String> {
        let set = u8::try_from(random.below(8)).unwrap();
        let name = random.below(1_000);
        match random.below(12) {
            0 => {
                self.permissions = set;
                return Some(format!("SELECT tokenauth.put_principal('$owner', permissions => '{}')", scopes(set)));
            }
            1 => {
                self.one_site = !self.one_site;
                let data_scopes = data_scopes(self.one_site);
                return Some(format!("SELECT tokenauth.put_principal('$owner', data_scopes => '{data_scopes}')"));
            }
            2 => {
                let kind = random.index(2);
                self.ceilings[kind] = set | 1;
                return Some(format!(
                    "UPDATE tokenauth.kind SET ceiling = '{}' WHERE name = '{}'",
                    scopes(set | 1),
                    ["$key", "$seat"][kind]
                ));
            }
            3 => {
                if self.active {
                    self.tokens.iter_mut().filter(|token| token.kind == 0).for_each(|token| token.dead = true);
                }
                self.active = false;
                return Some("SELECT tokenauth.deactivate('$owner')".to_owned());
            }
            4 | 5 => {
                self.active = true;
                return Some("SELECT tokenauth.activate('$owner')".to_owned());
            }
            _ => {}
        }
        if self.tokens.is_empty() {
            return None;
        }
        let index = random.index(self.tokens.len());
        let held = self.permissions & self.ceilings[0];
        let token = &mut self.tokens[index];
        let id = &token.id;
        match random.below(12) {
            0 => {
                token.dead = true;
                Some(format!("SELECT tokenauth.revoke('{id}')"))
            }
            1 => {
                token.dead = true;
                Some(format!("SELECT tokenauth.delete('{id}')"))
            }
            2 | 3 if !token.dead => {
                token.disabled = true;
                Some(format!("SELECT tokenauth.disable('{id}')"))
            }
            4 | 5 if !token.dead && self.active => {
                token.disabled = false;
                Some(format!("SELECT tokenauth.enable('{id}')"))
            }
            6 | 7 if !token.dead => {
                token.name = name;
                Some(format!("SELECT tokenauth.edit('{id}', name => '{name}')"))
            }
            8 | 9 if !token.dead && self.active && token.kind == 0 && set & held != 0 => {
                token.scopes = set & held;
                Some(format!("SELECT tokenauth.edit('{id}', scopes => '{}')", scopes(set & held)))
            }
            10 => {
                token.name = name;
                Some(format!("UPDATE tokenauth.token SET name = '{name}' WHERE id = '{id}'"))
            }
            _ => None,
        }
    }
}
