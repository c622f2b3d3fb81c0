//! Somebody with a browser that runs no scripts: follows links and sends forms.

use tokenauth_cluster::http::{self, Answer};

pub struct Visitor {
    address: String,
    origin: String,
    cookie: String,
}

impl Visitor {
    /// Signs in as this person of the demonstration.
    pub fn sign_in(origin: &str, person: &str) -> Self {
        let address = origin.trim_start_matches("http://").to_owned();
        let mut visitor = Self { address, origin: origin.to_owned(), cookie: String::new() };
        let answer = visitor.post("/sign-in", &[("person", person)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie");
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        cookie.split(';').next().unwrap().clone_into(&mut visitor.cookie);
        visitor
    }

    pub fn get(&self, path: &str) -> Answer {
        http::send(&self.address, "GET", path, &[("Cookie", &self.cookie)], "")
    }

    /// Sends a form from a page of the program itself.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, fields, &[("Origin", &self.origin)])
    }

    /// Sends a form with these headers besides.
    pub fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let form = [("Cookie", &*self.cookie), ("Content-Type", "application/x-www-form-urlencoded")];
        http::send(&self.address, "POST", path, &[&form, headers].concat(), &encoded(fields))
    }

    /// The number of the form on this page, which may be sent once.
    pub fn form(&self, path: &str) -> String {
        let page = self.get(path);
        assert_eq!(page.status, 200, "{page:?}");
        between(&page.body, "name=\"form\" value=\"", "\"").to_owned()
    }

    /// Fills in and sends the form of a new token of this kind for this owner.
    pub fn try_create(&self, kind: &str, owner: &str, fields: &[(&str, &str)]) -> Answer {
        let page = format!("/settings/api-tokens/new?{}", encoded(&[("kind", kind), ("owner", owner)]));
        let form = self.form(&page);
        let first = [("form", &*form), ("kind", kind), ("owner", owner)];
        self.post("/settings/api-tokens/new", &[&first, fields].concat())
    }

    /// Creates a token; its text.
    pub fn create(&self, kind: &str, owner: &str, fields: &[(&str, &str)]) -> String {
        shown_text(&self.try_create(kind, owner, fields))
    }
}

/// The text of a token on the page that shows it.
#[track_caller]
pub fn shown_text(page: &Answer) -> String {
    assert_eq!(page.status, 200, "{page:?}");
    between(&page.body, "id=\"text\" value=\"", "\"").to_owned()
}

/// What stands between two texts.
#[track_caller]
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
    pairs.join("&")
}

fn percent(value: &str) -> String {
    value
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
