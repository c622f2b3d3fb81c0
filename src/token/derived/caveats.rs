//! The caveats of a child: when it works, and what of its parent is left.
//!
//! Their form is judged here, and that no value stands twice. What a scope, a dimension or a network may be is known by
//! the rooms that know what these are.

use super::json::{Reader, is_plain, push_string, push_strings};

/// What a child is narrowed to. What is absent is not narrowed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Caveats {
    /// When it begins to work, in seconds since 1970.
    pub start: i64,
    /// When it stops, in seconds since 1970.
    pub end: i64,
    /// Scopes; none at all grants nothing.
    pub scopes: Option<Vec<String>>,
    /// Data scopes: the allowed values of each dimension.
    pub data_scopes: Option<Vec<(String, Vec<String>)>>,
    /// Networks from which it is accepted.
    pub networks: Option<Vec<String>>,
    /// For people: which job, tool or agent it was made for.
    pub label: Option<String>,
}

impl Caveats {
    /// The latest end: 9999-12-31 23:59:59 UTC.
    pub const LATEST: i64 = 253_402_300_799;

    /// The longest label, in characters.
    pub const MAX_LABEL: usize = 64;

    /// Whether a text can be a label: it is short, and of printable ASCII characters that need no escape.
    pub fn is_label(text: &str) -> bool {
        (1..=Self::MAX_LABEL).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && is_plain(text)
    }

    /// Whether a text can be a value: it has no quotation mark, backslash or control character.
    pub fn is_plain(text: &str) -> bool {
        is_plain(text)
    }

    /// Parses the JSON form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::new(text);
        reader.expect("{\"n\":")?;
        let start = reader.number()?;
        reader.expect(",\"x\":")?;
        let end = reader.number()?;
        let mut caveats = Caveats { start, end, ..Caveats::default() };
        if reader.passes(",\"s\":") {
            caveats.scopes = Some(reader.strings()?);
        }
        if reader.passes(",\"d\":") {
            caveats.data_scopes = Some(dimensions(&mut reader)?);
        }
        if reader.passes(",\"w\":") {
            caveats.networks = Some(reader.strings()?);
        }
        if reader.passes(",\"l\":") {
            caveats.label = Some(reader.string()?.to_owned());
        }
        reader.expect("}")?;
        (reader.is_at_end() && caveats.are_sound()).then_some(caveats)
    }

    /// The JSON form; `None` for what cannot be a caveat.
    pub fn write(&self) -> Option<String> {
        if !self.are_sound() || !self.strings().all(is_plain) {
            return None;
        }
        let mut text = format!("{{\"n\":{},\"x\":{}", self.start, self.end);
        if let Some(scopes) = &self.scopes {
            text.push_str(",\"s\":");
            push_strings(&mut text, scopes);
        }
        if let Some(dimensions) = &self.data_scopes {
            text.push_str(",\"d\":{");
            for (index, (dimension, values)) in dimensions.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                push_string(&mut text, dimension);
                text.push(':');
                push_strings(&mut text, values);
            }
            text.push('}');
        }
        if let Some(networks) = &self.networks {
            text.push_str(",\"w\":");
            push_strings(&mut text, networks);
        }
        if let Some(label) = &self.label {
            text.push_str(",\"l\":");
            push_string(&mut text, label);
        }
        text.push('}');
        Some(text)
    }

    /// What the JSON form does not say by itself.
    fn are_sound(&self) -> bool {
        0 <= self.start
            && self.start < self.end
            && self.end <= Self::LATEST
            && self.data_scopes.as_ref().is_none_or(|dimensions| !dimensions.is_empty())
            && self.networks.as_ref().is_none_or(|networks| !networks.is_empty())
            && self.label.as_deref().is_none_or(Self::is_label)
    }

    fn strings(&self) -> impl Iterator<Item = &str> {
        let lists = self.scopes.iter().chain(&self.networks).flatten();
        let dimensions = self.data_scopes.iter().flatten();
        let named = dimensions.flat_map(|(dimension, values)| [dimension].into_iter().chain(values));
        lists.chain(named).chain(&self.label).map(String::as_str)
    }
}

fn dimensions(reader: &mut Reader<'_>) -> Option<Vec<(String, Vec<String>)>> {
    reader.expect("{")?;
    let mut dimensions: Vec<(String, Vec<String>)> = Vec::new();
    while !reader.passes("}") {
        if !dimensions.is_empty() {
            reader.expect(",")?;
        }
        let dimension = reader.string()?;
        reader.expect(":")?;
        if dimensions.iter().any(|(other, _)| other == dimension) {
            return None;
        }
        dimensions.push((dimension.to_owned(), reader.strings()?));
    }
    Some(dimensions)
}
