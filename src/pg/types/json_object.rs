//! JSON objects, written member by member.

use super::array::TextArray;
use super::clock::Timestamp;
use super::jsonb::Jsonb;

/// The text of a JSON object, in the server encoding. A member without a value is left out.
pub struct JsonObject(Vec<u8>);

impl JsonObject {
    /// No members yet.
    pub fn new() -> Self {
        JsonObject(b"{".to_vec())
    }

    /// Adds a text.
    pub fn text(mut self, name: &'static str, value: Option<&[u8]>) -> Self {
        if let Some(value) = value {
            self.name(name);
            self.push_text(value);
        }
        self
    }

    /// Adds true or false.
    pub fn boolean(mut self, name: &'static str, value: bool) -> Self {
        self.name(name);
        self.0.extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// Adds an integer.
    pub fn integer(mut self, name: &'static str, value: Option<i64>) -> Self {
        if let Some(value) = value {
            self.name(name);
            self.0.extend_from_slice(value.to_string().as_bytes());
        }
        self
    }

    /// Adds a list of texts.
    pub fn texts(mut self, name: &'static str, value: Option<&TextArray>) -> Self {
        if let Some(elements) = value.and_then(|value| value.elements().ok()) {
            self.name(name);
            self.0.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    self.0.push(b',');
                }
                match element {
                    Some(element) => self.push_text(element.as_bytes()),
                    None => self.0.extend_from_slice(b"null"),
                }
            }
            self.0.push(b']');
        }
        self
    }

    /// Adds a list of words, given with a blank between two.
    pub fn words(mut self, name: &'static str, value: Option<&[u8]>) -> Self {
        if let Some(words) = value {
            self.name(name);
            self.0.push(b'[');
            for (index, word) in words.split(|&byte| byte == b' ').filter(|_| !words.is_empty()).enumerate() {
                if index > 0 {
                    self.0.push(b',');
                }
                self.push_text(word);
            }
            self.0.push(b']');
        }
        self
    }

    /// Adds a moment, in UTC.
    pub fn moment(self, name: &'static str, value: Option<Timestamp>) -> Self {
        self.text(name, value.map(Timestamp::written).as_deref().map(str::as_bytes))
    }

    /// Adds a document; members of it that are null are left out, however deep.
    pub fn document(mut self, name: &'static str, value: Option<&Jsonb>) -> Self {
        if let Some(value) = value.filter(|value| value.as_bytes() != b"null") {
            self.name(name);
            let begun = value.as_bytes();
            // What has not the word in it has no such member.
            if begun.windows(b"null".len()).any(|part| part == b"null") {
                self.0.extend_from_slice(value.clone().without_nulls().as_bytes());
            } else {
                self.0.extend_from_slice(begun);
            }
        }
        self
    }

    fn name(&mut self, name: &'static str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.push_text(name.as_bytes());
        self.0.push(b':');
    }

    /// In every server encoding a byte below 128 is that character, never a part of another.
    fn push_text(&mut self, text: &[u8]) {
        self.0.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\\' => self.0.extend_from_slice(&[b'\\', byte]),
                ..b' ' => self.0.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.0.push(byte),
            }
        }
        self.0.push(b'"');
    }
}

impl From<JsonObject> for Jsonb {
    fn from(mut object: JsonObject) -> Self {
        object.0.push(b'}');
        Jsonb::written(object.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::types::text::Text;

    fn written(object: JsonObject) -> String {
        String::from_utf8(Jsonb::from(object).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn members_without_a_value_are_left_out() {
        // No document among them: only the server can take nulls out of one.
        assert_eq!(written(JsonObject::new().text("a", None).texts("b", None)), "{}");
    }

    #[test]
    fn texts_are_escaped() {
        let text = "\"quoted\" \\ \u{1}\n\u{7f}é";
        let object = written(JsonObject::new().text("name", Some(text.as_bytes())));
        let read: serde_json::Value = serde_json::from_str(&object).unwrap();
        assert_eq!(read["name"], text);
    }

    #[test]
    fn numbers_and_truth_stand_bare() {
        let object = JsonObject::new().boolean("active", true).integer("exp", Some(-1)).integer("nbf", None);
        assert_eq!(written(object), r#"{"active":true,"exp":-1}"#);
    }

    #[test]
    fn members_follow_each_other() {
        let scopes: TextArray = ["a:read", "b"].into_iter().collect();
        let object = JsonObject::new().text("name", Some(b"x")).texts("scopes", Some(&scopes));
        assert_eq!(written(object), r#"{"name":"x","scopes":["a:read","b"]}"#);
        let none: TextArray = Vec::<Text>::new().into_iter().collect();
        assert_eq!(written(JsonObject::new().texts("scopes", Some(&none))), r#"{"scopes":[]}"#);
        assert_eq!(written(JsonObject::new().words("scopes", Some(b"a:read b"))), r#"{"scopes":["a:read","b"]}"#);
        assert_eq!(written(JsonObject::new().words("scopes", Some(b""))), r#"{"scopes":[]}"#);
    }
}
