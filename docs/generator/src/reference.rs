//! The reference for readers: its parts are who calls, their chapters what for, and each section is a function.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::description::ACCESSES;
use crate::function::Function;
use crate::markdown::{anchor, item, wrapped};
use crate::sql_type::{Field, Returns};

/// What precedes the functions, with the statements that set up what the examples use.
pub const fn head() -> &'static str {
    include_str!("../head.md")
}

/// A chapter: its title, and the files below `src` whose functions belong in it, by how their names begin, in reading
/// order. A file belongs where most of its name is given.
type Chapter = (&'static str, &'static [&'static str]);

/// What one who has just installed the extension needs, in the order of need.
const FIRST: [&str; 8] = [
    "put_principal",
    "issue",
    "verify_request",
    "error_response",
    "list",
    "revoke",
    "sign_in_request",
    "current_owner_id",
];

/// Who calls, and the chapters for them.
const PARTS: &[(&str, &[Chapter])] = &[
    (
        "The application, on each request",
        &[
            ("Verification", &["verify.rs", "verify/http", "verify/"]),
            ("Identity of a transaction", &["access/identity/authenticate", "access/identity/"]),
        ],
    ),
    (
        "The settings page",
        &[(
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
        )],
    ),
    (
        "The administrator",
        &[
            (
                "Principals",
                &[
                    "principals/put",
                    "principals/deactivate",
                    "principals/drop",
                    "principals/erase",
                    "principals/member",
                ],
            ),
            ("Bindings", &["principals/binding/"]),
            ("Many tokens", &["lifecycle/revoke_all", "lifecycle/import", "operations/enforce"]),
            ("Access", &["access/sql_privileges"]),
        ],
    ),
    (
        "Operations",
        &[
            (
                "Observation",
                &["operations/doctor", "operations/report", "verify/explain", "operations/expiring", "usage/"],
            ),
            ("Copies", &["operations/publication", "operations/usage_transfer"]),
            ("Tokens in other texts", &["operations/masking", "operations/scan_column", "operations/leaks"]),
            ("Keeping and restoring", &["operations/", "lifecycle/reseal"]),
        ],
    ),
];

const INTERNAL: &str = "Internal";

/// PostgreSQL quotes these as names.
const KEYWORDS: &[&str] = &["position"];

/// Wider, and a signature is broken into lines.
const WIDTH: usize = 98;

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
        for (part, chapters) in PARTS {
            let _ = write!(document, "\n## {part}\n");
            for (chapter, _) in *chapters {
                let _ = write!(document, "\n*{chapter}*\n");
                for function in self.of(chapter) {
                    self.section(function, &mut document);
                }
            }
        }
        let _ = write!(document, "\n## {INTERNAL}\n");
        for function in self.of(INTERNAL) {
            self.section(function, &mut document);
        }
        self.composite_types(&mut document);
        document
    }

    fn of(&self, chapter: &str) -> Vec<&Function> {
        let mut functions: Vec<_> = self.functions.iter().filter(|function| place(function).0 == chapter).collect();
        functions.sort_by_key(|function| place(function).1);
        functions
    }

    /// What to begin with; every function with its sentence; and every access with its functions.
    fn overview(&self, document: &mut String) {
        document.push_str("\n## The first eight\n\n");
        for name in FIRST {
            let function = self.functions.iter().find(|function| function.name == name);
            self.entry(function.unwrap_or_else(|| panic!("there is no {name}")), document);
        }
        document.push_str("\n## All of them\n");
        for (part, chapters) in PARTS {
            // No heading: it would take the name of the part's own.
            let _ = write!(document, "\n**[{part}](#{})**\n", anchor(part));
            for (chapter, _) in *chapters {
                let _ = write!(document, "\n*{chapter}*\n\n");
                for function in self.of(chapter) {
                    self.entry(function, document);
                }
            }
        }
        document.push_str("\n### By access\n\n");
        for (access, _) in ACCESSES {
            let adds = self.functions.iter().filter(|function| {
                !function.description.is_internal() && function.description.accesses().any(|(name, _)| name == access)
            });
            let adds: Vec<String> = adds.map(|function| format!("[`{0}`](#{0})", function.name)).collect();
            document.push_str(&item(&format!("`{access}` adds {}", adds.join(", "))));
        }
    }

    fn entry(&self, function: &Function, document: &mut String) {
        let sentence = self.linked(&function.description.sentence, function);
        document.push_str(&item(&format!("[`{0}`](#{0}): {sentence}", function.name)));
    }

    fn section(&self, function: &Function, document: &mut String) {
        let description = &function.description;
        let _ = write!(document, "\n### {}\n\n", function.name);
        if description.is_internal() {
            let _ = write!(document, "{}\n{}", wrapped(&description.sentence), wrapped(&description.details));
            return;
        }
        let _ = write!(document, "```sql\n{}\n```\n\n", declaration(function));
        document.push_str(&wrapped(&self.linked(&description.sentence, function)));
        if !description.details.is_empty() {
            let _ = write!(document, "\n{}", wrapped(&self.linked(&description.details, function)));
        }
        self.arguments(function, document);
        self.returns(function, document);
        if !description.errors.is_empty() {
            document.push_str("\n**Errors**\n\n");
            for error in description.errors_listed() {
                document.push_str(&item(&self.linked(&error, function)));
            }
        }
        let _ = write!(document, "\n{}", wrapped(&format!("**Access** {}", description.access)));
        if !description.example.is_empty() {
            let _ = write!(document, "\n**Example**\n\n```sql\n{}\n```\n", self.answered(function));
        }
    }

    fn arguments(&self, function: &Function, document: &mut String) {
        if function.arguments.is_empty() {
            return;
        }
        document.push_str("\n**Arguments**\n\n");
        for argument in &function.arguments {
            let meaning = function.description.fields.get(&argument.name).or(self.everywhere.get(&argument.name));
            let meaning = meaning.unwrap_or_else(|| panic!("{} of {} is not described", argument.name, function.name));
            document.push_str(&item(&format!("`{}`: {}", argument.name, self.linked(meaning, function))));
        }
    }

    fn returns(&self, function: &Function, document: &mut String) {
        let meaning = self.linked(&function.description.returns, function);
        let meaning = if meaning.is_empty() { meaning } else { format!(": {}", meaning.trim_end_matches('.')) };
        match &function.returns {
            Returns::One(sql_type) if sql_type == "void" => {}
            Returns::One(sql_type) => {
                let _ = write!(document, "\n{}", wrapped(&format!("**Returns** {}{meaning}", type_linked(sql_type))));
            }
            Returns::Table(columns) => {
                let _ = write!(document, "\n{}\n", wrapped(&format!("**Returns** rows{meaning}")));
                for column in columns {
                    let meaning = function.description.fields.get(&column.name);
                    let meaning =
                        meaning.unwrap_or_else(|| panic!("{} of {} is not described", column.name, function.name));
                    document.push_str(&item(&format!("`{}` `{}`: {meaning}", column.name, column.sql_type)));
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
            let _ = write!(document, "\n### tokenauth.{name}\n\n{}.\n\n", comment_on(comments, "TYPE", name));
            for column in columns.split(',') {
                let (column, sql_type) = column.trim().split_once(' ').expect("a name and a type");
                let meaning = comment_on(comments, "COLUMN", &format!("{name}.{column}"));
                document.push_str(&item(&format!("`{column}` `{}`: {meaning}", sql_type.trim())));
            }
        }
        let about = comment_on(&self.views, "VIEW", "tokens");
        let _ = write!(document, "\n### tokenauth.tokens\n\n{about}: the rows of the view.\n\n");
        for line in self.views.lines().filter_map(|line| line.strip_prefix("COMMENT ON COLUMN tokenauth.tokens.")) {
            let (column, _) = line.split_once(' ').expect("a column");
            let meaning = comment_on(&self.views, "COLUMN", &format!("tokens.{column}"));
            document.push_str(&item(&format!("`{column}`: {meaning}")));
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
    let (name, arguments) = (&function.name, &function.arguments);
    let (returned, columns): (&str, &[Field]) = match &function.returns {
        Returns::One(sql_type) => (sql_type, &[]),
        Returns::Table(columns) => ("TABLE", columns),
    };
    let table = |columns: String| if columns.is_empty() { String::new() } else { format!(" ({columns})") };
    let line = format!("{name}({}) RETURNS {returned}{}", signature(arguments), table(signature(columns)));
    if line.len() <= WIDTH {
        return line;
    }
    format!("{name}({}) RETURNS {returned}{}", broken(arguments), table(broken(columns)))
}

/// The fields, each on a line of its own.
fn broken(fields: &[Field]) -> String {
    let lines: Vec<String> = fields.iter().map(|field| format!("    {}", declared(field))).collect();
    if lines.is_empty() { String::new() } else { format!("\n{}\n", lines.join(",\n")) }
}

/// The chapter of a function, and where in it its file comes.
fn place(function: &Function) -> (&'static str, usize) {
    if function.description.is_internal() {
        return (INTERNAL, 0);
    }
    let file = function.file.to_string_lossy();
    let chapters = PARTS.iter().flat_map(|(_, chapters)| *chapters);
    let places = chapters.flat_map(|(chapter, files)| {
        files.iter().enumerate().map(move |(position, begin)| (begin.len(), (*chapter, position), *begin))
    });
    let found = places.filter(|(_, _, begin)| file.starts_with(begin)).max_by_key(|(length, _, _)| *length);
    found.unwrap_or_else(|| panic!("{file} belongs in no chapter of the reference")).1
}

/// A type of ours as a link to its columns.
fn type_linked(sql_type: &str) -> String {
    let name = sql_type.trim_start_matches("SETOF ").trim_start_matches("tokenauth.");
    if sql_type.contains("tokenauth.") { format!("[`{sql_type}`](#tokenauth{name})") } else { format!("`{sql_type}`") }
}

fn comment_on(sql: &str, what: &str, name: &str) -> String {
    let begin = format!("COMMENT ON {what} tokenauth.{name} IS '");
    let (_, rest) = sql.split_once(&begin).unwrap_or_else(|| panic!("{name} has no comment"));
    rest.split_once("';").expect("the comment ends").0.replace("''", "'")
}
