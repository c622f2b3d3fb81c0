//! The reference for readers: one chapter a room, one section a function.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::description::ACCESSES;
use crate::function::Function;
use crate::sql_type::{Field, Returns};

/// What precedes the functions, with the statements that set up what the examples use.
pub const fn head() -> &'static str {
    include_str!("../head.md")
}

/// Chapters, and the files below `src` whose functions belong in them, by how their names begin, in reading order.
const CHAPTERS: &[(&str, &[&str])] = &[
    ("Verification", &["verify.rs", "verify/"]),
    ("Identity of a transaction", &["access/identity/authenticate", "access/identity/"]),
    (
        "Life of a token",
        &[
            "lifecycle/issue",
            "lifecycle/grantable",
            "lifecycle/list",
            "lifecycle/describe",
            "lifecycle/edit",
            "lifecycle/rotate",
            "lifecycle/revoke",
            "lifecycle/disable",
            "lifecycle/",
        ],
    ),
    ("Principals", &["principals/put", "principals/deactivate", "principals/drop", "principals/member"]),
    ("Bindings", &["principals/binding/"]),
    ("Tokens in other texts", &["operations/masking", "operations/scan_column"]),
    ("Observation", &["operations/doctor", "operations/report", "operations/expiring", "usage/"]),
    ("Operation", &["operations/"]),
    ("Access", &["access/sql_privileges"]),
];

const INTERNAL: &str = "Internal";

/// PostgreSQL quotes these as names.
const KEYWORDS: &[&str] = &["position"];

/// Wider, and a signature is broken into lines.
const WIDTH: usize = 100;

/// Everything that the reference is made of.
pub struct Reference<'a> {
    pub functions: &'a [Function],
    /// Arguments that mean the same in every function.
    pub everywhere: BTreeMap<String, String>,
    /// Statements that create types and views, with their comments.
    pub types: String,
    pub views: String,
    /// What the regression test has answered.
    pub output: String,
}

impl Reference<'_> {
    /// The whole document.
    pub fn written(&self) -> String {
        let mut document = head().to_owned();
        self.overview(&mut document);
        for chapter in chapters() {
            let _ = write!(document, "\n## {chapter}\n");
            for function in self.of(chapter) {
                self.section(function, &mut document);
            }
        }
        self.composite_types(&mut document);
        document
    }

    fn of(&self, chapter: &str) -> Vec<&Function> {
        let mut functions: Vec<_> = self.functions.iter().filter(|function| place(function).0 == chapter).collect();
        functions.sort_by_key(|function| place(function).1);
        functions
    }

    /// Every function with its sentence, and every access with its functions.
    fn overview(&self, document: &mut String) {
        for chapter in chapters().filter(|chapter| *chapter != INTERNAL) {
            let _ = write!(document, "\n| [{chapter}](#{}) | |\n|---|---|\n", anchor(chapter));
            for function in self.of(chapter) {
                let sentence = self.linked(&function.description.sentence, function);
                let _ = writeln!(document, "| [`{0}`](#{0}) | {1} |", function.name, cell(&sentence));
            }
        }
        document.push_str("\n### By access\n\n| access | adds |\n|---|---|\n");
        for (access, _) in ACCESSES {
            let adds = self.functions.iter().filter(|function| {
                !function.description.is_internal() && function.description.accesses().any(|(name, _)| name == access)
            });
            let adds: Vec<String> = adds.map(|function| format!("[`{0}`](#{0})", function.name)).collect();
            let _ = writeln!(document, "| `{access}` | {} |", adds.join(", "));
        }
    }

    fn section(&self, function: &Function, document: &mut String) {
        let description = &function.description;
        let _ = write!(document, "\n### {}\n\n", function.name);
        if description.is_internal() {
            let _ = write!(document, "{}\n\n{}\n", description.sentence, description.details);
            return;
        }
        let _ = write!(document, "```sql\n{}\n```\n\n", declaration(function));
        let _ = writeln!(document, "{}", self.linked(&description.sentence, function));
        if !description.details.is_empty() {
            let _ = write!(document, "\n{}\n", self.linked(&description.details, function));
        }
        self.arguments(function, document);
        self.returns(function, document);
        if !description.errors.is_empty() {
            document.push_str("\n**Errors**\n\n");
            for error in description.errors_listed() {
                let _ = writeln!(document, "- {}", self.linked(&error, function));
            }
        }
        let _ = write!(document, "\n**Access** {}\n", description.access);
        if !description.example.is_empty() {
            let _ = write!(document, "\n**Example**\n\n```sql\n{}\n```\n", self.answered(function));
        }
    }

    fn arguments(&self, function: &Function, document: &mut String) {
        if function.arguments.is_empty() {
            return;
        }
        document.push_str("\n| argument | type | default | |\n|---|---|---|---|\n");
        for argument in &function.arguments {
            let meaning = function.description.fields.get(&argument.name).or(self.everywhere.get(&argument.name));
            let meaning = meaning.unwrap_or_else(|| panic!("{} of {} is not described", argument.name, function.name));
            let default = argument.default.as_ref().map(|default| format!("`{default}`")).unwrap_or_default();
            let meaning = cell(&self.linked(meaning, function));
            let _ = writeln!(document, "| `{}` | `{}` | {default} | {meaning} |", argument.name, argument.sql_type);
        }
    }

    fn returns(&self, function: &Function, document: &mut String) {
        let meaning = self.linked(&function.description.returns, function);
        let meaning = if meaning.is_empty() { meaning } else { format!(": {}", meaning.trim_end_matches('.')) };
        match &function.returns {
            Returns::One(sql_type) if sql_type == "void" => {}
            Returns::One(sql_type) => {
                let _ = write!(document, "\n**Returns** {}{meaning}\n", type_linked(sql_type));
            }
            Returns::Table(columns) => {
                let _ = write!(document, "\n**Returns** rows{meaning}\n\n| column | type | |\n|---|---|---|\n");
                for column in columns {
                    let meaning = function.description.fields.get(&column.name);
                    let meaning =
                        meaning.unwrap_or_else(|| panic!("{} of {} is not described", column.name, function.name));
                    let _ = writeln!(document, "| `{}` | `{}` | {} |", column.name, column.sql_type, cell(meaning));
                }
            }
        }
    }

    /// The text with names of other functions as links: `verify`.
    fn linked(&self, text: &str, function: &Function) -> String {
        let others =
            self.functions.iter().filter(|other| other.name != function.name && !other.description.is_internal());
        others.fold(text.to_owned(), |text, other| {
            let is_argument = function.arguments.iter().any(|argument| argument.name == other.name);
            let (quoted, link) = (format!("`{}`", other.name), format!("[`{0}`](#{0})", other.name));
            if is_argument { text } else { text.replace(&quoted, &link) }
        })
    }

    /// The example with what it answers in the regression test, as psql shows it.
    fn answered(&self, function: &Function) -> String {
        let begin = format!("\n-- {}\nBEGIN;\n", function.name);
        let answered = self.output.split_once(&begin).and_then(|(_, rest)| rest.split_once("\nROLLBACK;"));
        let shown = answered.map_or(function.description.example.as_str(), |(shown, _)| shown);
        shown.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// The composite types of results and the rows of the view `tokens`, from their comments in SQL.
    fn composite_types(&self, document: &mut String) {
        document.push_str("\n## Types of results\n");
        for created in self.types.split("CREATE TYPE tokenauth.").skip(1) {
            let (name, rest) = created.split_once(" AS (").expect("a composite type");
            let (columns, comments) = rest.split_once(");").expect("its columns end");
            let _ = write!(
                document,
                "\n### tokenauth.{name}\n\n{}.\n\n| column | type | |\n|---|---|---|\n",
                comment_on(comments, "TYPE", name)
            );
            for column in columns.split(',') {
                let (column, sql_type) = column.trim().split_once(' ').expect("a name and a type");
                let meaning = comment_on(comments, "COLUMN", &format!("{name}.{column}"));
                let _ = writeln!(document, "| `{column}` | `{}` | {} |", sql_type.trim(), cell(&meaning));
            }
        }
        let _ = write!(
            document,
            "\n### tokenauth.tokens\n\n{}: the rows of the view.\n\n| column | |\n|---|---|\n",
            comment_on(&self.views, "VIEW", "tokens")
        );
        for line in self.views.lines().filter_map(|line| line.strip_prefix("COMMENT ON COLUMN tokenauth.tokens.")) {
            let (column, _) = line.split_once(' ').expect("a column");
            let meaning = comment_on(&self.views, "COLUMN", &format!("tokens.{column}"));
            let _ = writeln!(document, "| `{column}` | {} |", cell(&meaning));
        }
    }
}

/// The statements of the document's blocks of SQL.
pub fn run_by_psql(document: &str) -> String {
    document.split("```sql\n").skip(1).filter_map(|block| block.split_once("```")).map(|(code, _)| code).collect()
}

/// Names, types and defaults, as `pg_get_function_arguments` shows them.
pub fn signature(fields: &[Field]) -> String {
    fields.iter().map(declared).collect::<Vec<_>>().join(", ")
}

fn declared(field: &Field) -> String {
    let quote = if KEYWORDS.contains(&field.name.as_str()) { "\"" } else { "" };
    let default = field.default.as_ref().map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    format!("{quote}{}{quote} {}{default}", field.name, field.sql_type)
}

/// The function as `CREATE FUNCTION` would declare it.
fn declaration(function: &Function) -> String {
    let returned = match &function.returns {
        Returns::One(sql_type) => sql_type.clone(),
        Returns::Table(columns) => format!("TABLE ({})", signature(columns)),
    };
    let line = format!("{}({}) RETURNS {returned}", function.name, signature(&function.arguments));
    if line.len() <= WIDTH {
        return line;
    }
    let arguments: Vec<String> = function.arguments.iter().map(|field| format!("    {}", declared(field))).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("\n{}\n", arguments.join(",\n")) };
    format!("{}({arguments}) RETURNS {returned}", function.name)
}

fn chapters() -> impl Iterator<Item = &'static str> {
    CHAPTERS.iter().map(|&(chapter, _)| chapter).chain([INTERNAL])
}

/// The chapter of a function, and where in it its file comes.
fn place(function: &Function) -> (&'static str, usize) {
    if function.description.is_internal() {
        return (INTERNAL, 0);
    }
    let file = function.file.to_string_lossy();
    let found = CHAPTERS.iter().find_map(|(chapter, files)| {
        files.iter().position(|begin| file.starts_with(begin)).map(|position| (*chapter, position))
    });
    found.unwrap_or_else(|| panic!("{file} belongs in no chapter of the reference"))
}

/// A type of ours as a link to its columns.
fn type_linked(sql_type: &str) -> String {
    let name = sql_type.trim_start_matches("SETOF ").trim_start_matches("tokenauth.");
    if sql_type.contains("tokenauth.") { format!("[`{sql_type}`](#tokenauth{name})") } else { format!("`{sql_type}`") }
}

/// As forges make it from a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn comment_on(sql: &str, what: &str, name: &str) -> String {
    let begin = format!("COMMENT ON {what} tokenauth.{name} IS '");
    let (_, rest) = sql.split_once(&begin).unwrap_or_else(|| panic!("{name} has no comment"));
    rest.split_once("';").expect("the comment ends").0.replace("''", "'")
}
