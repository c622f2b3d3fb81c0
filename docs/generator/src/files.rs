//! The files that are made of the descriptions.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::description::listed;
use crate::function::Function;
use crate::reference::{Reference, head, run_by_psql, signature};
use crate::sql_type::Returns;

const COMMENTS: &str = "sql/schema/functions.sql";
const GRANTS: &str = "src/access/granted_functions.rs";
const TEST: &str = "tests/pg_regress/sql/reference.sql";
const OUTPUT: &str = "tests/pg_regress/expected/reference.out";
const REFERENCE: &str = "docs/reference/functions.md";

/// Paths and contents.
pub fn made_of(functions: &[Function], root: &Path) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let everywhere = read("src/arguments.rs");
    let reference = Reference {
        functions,
        everywhere: listed(&module_section(&everywhere, "# Arguments")).collect(),
        types: read("sql/schema/types.sql"),
        views: read("sql/schema/views.sql"),
        // Without it, as after the first example, the reference shows what is run and not what comes of it.
        output: fs::read_to_string(root.join(OUTPUT)).unwrap_or_default(),
    };
    vec![
        (COMMENTS, comments(functions, &read(COMMENTS))),
        (GRANTS, grants(functions)),
        (TEST, test(functions)),
        (REFERENCE, reference.written()),
    ]
}

/// A section of the doc comment of a module.
fn module_section(code: &str, heading: &str) -> String {
    let doc =
        code.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.strip_prefix(' ').unwrap_or(line));
    doc.skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("# "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The file with other comments on functions and everything else as it is.
fn comments(functions: &[Function], present: &str) -> String {
    const COMMENT: &str = "COMMENT ON FUNCTION ";
    let is_other = |line: &&str| !line.starts_with(COMMENT);
    let head = present.lines().take_while(is_other).map(str::to_owned);
    let comments = functions.iter().map(|function| {
        format!("{COMMENT}tokenauth.{} IS '{}';", function.name, function.description.comment().replace('\'', "''"))
    });
    let tail = present.lines().skip_while(is_other).filter(is_other).map(str::to_owned);
    head.chain(comments).chain(tail).map(|line| line + "\n").collect()
}

/// What `grant_access` gives.
fn grants(functions: &[Function]) -> String {
    let mut rows: Vec<String> = functions.iter().filter_map(granted).collect();
    rows.sort();
    format!(
        "//! Which accesses come with which functions, as the descriptions of these say; written by `make docs`.\n\n\
         use super::sql_privileges::Access;\n\n\
         pub const GRANTED_FUNCTIONS: &[(&str, &[Access])] = &[\n{}];\n",
        rows.concat()
    )
}

fn granted(function: &Function) -> Option<String> {
    let accesses: Vec<String> =
        function.description.accesses().map(|(_, variant)| format!("Access::{variant}")).collect();
    (!accesses.is_empty()).then(|| format!("    (\"{}\", &[{}]),\n", function.name, accesses.join(", ")))
}

/// A regression test that runs every example and asks the server for the functions that it has.
fn test(functions: &[Function]) -> String {
    let mut test = String::from(
        "-- What docs/reference/functions.md says is so: its examples answer what it shows, and the functions, their\n\
         -- arguments, results and comments are those that the server has. Written by 'make docs' from src/.\n\
         \\set SHOW_CONTEXT never\n\
         CREATE EXTENSION tokenauth;\n\
         \\pset footer off\n",
    );
    test += &run_by_psql(head());
    test += "\n";
    for function in functions.iter().filter(|function| !function.description.example.is_empty()) {
        let _ = write!(test, "\n-- {}\nBEGIN;\n{}\nROLLBACK;\n", function.name, function.description.example);
    }
    test += "\n-- described and not so, or so and not described: nothing\n\
             CREATE TEMPORARY TABLE described (name text, arguments text, result text, comment text);\n\
             INSERT INTO described VALUES\n";
    test += &functions.iter().map(described).collect::<Vec<_>>().join(",\n");
    test += ";\n";
    test += COMPARED;
    test
}

/// PostgreSQL shows casts of defaults and the long names of types, and `pg_regress` has intervals begin with an "@".
const COMPARED: &str = r"CREATE TEMPORARY VIEW present AS
SELECT p.proname::text AS name,
       regexp_replace(replace(replace(a.without_casts, 'timestamp with time zone', 'timestamptz'), '''@ ', ''''),
                      '''(\d{2,})''', '\1', 'g') AS arguments,
       replace(pg_get_function_result(p.oid), 'timestamp with time zone', 'timestamptz') AS result,
       obj_description(p.oid, 'pg_proc') AS comment
  FROM pg_proc p,
       regexp_replace(pg_get_function_arguments(p.oid), '::(timestamp with time zone|\w+)(\[\])?', '', 'g')
           AS a (without_casts)
 WHERE p.pronamespace = 'tokenauth'::regnamespace;
(TABLE described EXCEPT TABLE present) ORDER BY name;
(TABLE present EXCEPT TABLE described) ORDER BY name;
";

fn described(function: &Function) -> String {
    let result = match &function.returns {
        Returns::One(sql_type) => sql_type.clone(),
        Returns::Table(columns) => format!("TABLE({})", signature(columns)),
    };
    let values = [&function.name, &signature(&function.arguments), &result, &function.description.comment()];
    format!("    ({})", values.map(|value| format!("'{}'", value.replace('\'', "''"))).join(", "))
}
