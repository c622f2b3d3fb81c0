//! What a doc comment says of a function.

use std::collections::BTreeMap;

/// The accesses that can be granted, as SQL and as the Rust enum `Access` name them.
pub const ACCESSES: &[(&str, &str)] = &[
    ("identity", "Identity"),
    ("verify", "Verify"),
    ("self", "Own"),
    ("manage", "Manage"),
    ("observe", "Observe"),
    ("admin", "Admin"),
];

/// A doc comment, by its sections.
#[derive(Default)]
pub struct Description {
    /// The first paragraph, on one line.
    pub sentence: String,
    /// What follows it before the first heading.
    pub details: String,
    /// By the name of an argument or of a column.
    pub fields: BTreeMap<String, String>,
    pub returns: String,
    pub errors: String,
    pub access: String,
    pub example: String,
}

impl Description {
    /// Reads the doc comment of the function of this name.
    pub fn parse(name: &str, doc: &str) -> Self {
        let mut description = Description::default();
        let mut section = String::new();
        let mut text = Vec::new();
        let lines = doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        for line in lines.chain(["# "]) {
            match line.strip_prefix("# ") {
                Some(next) => {
                    description.put(name, &section, text.join("\n").trim());
                    (section, text) = (next.to_owned(), Vec::new());
                }
                None => text.push(line),
            }
        }
        assert!(!description.sentence.is_empty(), "{name} has no description");
        assert!(!description.access.is_empty(), "{name} has no section '# Access'");
        description
    }

    fn put(&mut self, name: &str, section: &str, text: &str) {
        match section {
            "" => {
                let (sentence, details) = text.split_once("\n\n").unwrap_or((text, ""));
                self.sentence = one_line(sentence);
                details.trim().clone_into(&mut self.details);
            }
            "Arguments" => self.fields.extend(listed(text)),
            "Returns" => {
                let (prose, columns) = text.split_at(text.find("- `").unwrap_or(text.len()));
                self.fields.extend(listed(columns));
                self.returns = one_line(prose);
            }
            "Errors" => self.errors = one_line(text),
            "Access" => self.access = one_line(text),
            "Example" => {
                let code = text.strip_prefix("```sql").and_then(|code| code.strip_suffix("```"));
                let code = code.unwrap_or_else(|| panic!("the example of {name} is no block of SQL"));
                code.trim().clone_into(&mut self.example);
            }
            other => panic!("{name} has a section {other:?}"),
        }
    }

    /// The comment in the database: the sentence without full stop and without Markdown.
    pub fn comment(&self) -> String {
        self.sentence.trim_end_matches('.').replace('`', "")
    }

    /// The accesses that it is granted with.
    pub fn accesses(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        ACCESSES.iter().filter(|(name, _)| self.access.contains(&format!("`{name}`")))
    }

    /// Whether it is for the extension itself.
    pub fn is_internal(&self) -> bool {
        self.sentence.starts_with("Internal: ")
    }

    /// The errors one by one, each beginning with its SQLSTATE: "`22004` for …; also `42704` when …".
    pub fn errors_listed(&self) -> Vec<String> {
        let mut listed = Vec::new();
        let mut rest = self.errors.trim_end_matches('.');
        while let Some(at) = next_code(rest) {
            let item = rest[..at].trim_end().trim_end_matches("also").trim_end().trim_end_matches([',', ';', '.']);
            listed.extend((!item.is_empty()).then(|| item.to_owned()));
            rest = &rest[at..];
        }
        listed.push(rest.to_owned());
        listed.retain(|item| !item.is_empty());
        listed
    }
}

/// Where the next item of a list of errors begins: at a code after a comma, a semicolon or a full stop.
fn next_code(text: &str) -> Option<usize> {
    let is_code = |at: usize| {
        let code = text.as_bytes().get(at + 1..at + 6);
        code.is_some_and(|code| code.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()))
    };
    text.match_indices('`').map(|(at, _)| at).filter(|&at| at > 0 && is_code(at)).find(|&at| {
        let before = text[..at].trim_end();
        before.trim_end_matches("also").trim_end().ends_with([',', ';', '.'])
    })
}

/// The items of a list "- `name`: meaning".
pub fn listed(text: &str) -> impl Iterator<Item = (String, String)> {
    let items = text.split("- `").skip(1).map(one_line);
    items.map(|item| {
        let (name, meaning) = item.split_once("`: ").unwrap_or_else(|| panic!("not a list of meanings: {item}"));
        (name.to_owned(), meaning.trim_end_matches([';', '.']).to_owned())
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = "
 Does it
 for you.

 More of it.

 # Arguments
 - `id`: which
   one
 - `at`: when;

 # Errors
 `22004` for NULL; also `42704`, `22023` when it is malformed, or `at` is past. `XX001`.

 # Access
 `self`, and `observe` for reading";

    #[test]
    fn a_doc_comment_is_told_apart_by_its_headings() {
        let description = Description::parse("do_it", DOC);
        assert_eq!(description.sentence, "Does it for you.");
        assert_eq!(description.comment(), "Does it for you");
        assert_eq!(description.details, "More of it.");
        assert_eq!(description.fields["id"], "which one");
        assert_eq!(description.fields["at"], "when");
        let accesses: Vec<&str> = description.accesses().map(|(name, _)| *name).collect();
        assert_eq!(accesses, ["self", "observe"]);
    }

    #[test]
    fn an_item_of_errors_begins_with_its_code() {
        let listed = Description::parse("do_it", DOC).errors_listed();
        assert_eq!(listed, ["`22004` for NULL", "`42704`", "`22023` when it is malformed, or `at` is past", "`XX001`"]);
    }

    #[test]
    #[should_panic(expected = "do_it has no section '# Access'")]
    fn an_access_is_required() {
        Description::parse("do_it", " Does it.");
    }

    #[test]
    #[should_panic(expected = "do_it has a section \"Error\"")]
    fn a_heading_that_nobody_reads_is_refused() {
        Description::parse("do_it", " Does it.\n\n # Error\n none\n\n # Access\n `self`");
    }
}
