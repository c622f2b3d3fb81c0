//! The functions of the extension, as they are declared in `src/`.

use std::fs;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, FnArg, Item, ItemFn, Lit, Meta, Pat, ReturnType, Token, Type};

use crate::description::Description;
use crate::sql_type::{Field, Returns, argument, is_virtual, returns};

/// A function as SQL sees it.
pub struct Function {
    pub name: String,
    pub arguments: Vec<Field>,
    pub returns: Returns,
    pub description: Description,
    /// Its file below `src`.
    pub file: PathBuf,
}

/// Every function, by file and in the order in which a file has them.
pub fn functions(root: &Path) -> Vec<Function> {
    let source = root.join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    files.sort();
    files.iter().flat_map(|path| declared_in(path, path.strip_prefix(&source).expect("it is below src"))).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("could not read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn declared_in(path: &Path, file: &Path) -> Vec<Function> {
    let code = fs::read_to_string(path).unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()));
    let parsed = syn::parse_file(&code).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let declared = parsed.items.iter().filter_map(|item| match item {
        Item::Fn(function) => declaration(function).map(|options| (function, options)),
        _ => None,
    });
    declared.map(|(function, options)| described(function, &options, file)).collect()
}

/// The options of `#[pg_extern(…)]`, if the function has that attribute, and the extension the function.
fn declaration(function: &ItemFn) -> Option<Punctuated<Meta, Token![,]>> {
    let attribute = function.attrs.iter().find(|attribute| attribute.path().is_ident("pg_extern"))?;
    let options = attribute.parse_args_with(Punctuated::parse_terminated).expect("pg_extern has options");
    // A script makes it and removes it again.
    (!options.iter().any(has_no_sql)).then_some(options)
}

fn has_no_sql(option: &Meta) -> bool {
    match option {
        Meta::NameValue(pair) if pair.path.is_ident("sql") => {
            matches!(&pair.value, Expr::Lit(ExprLit { lit: Lit::Bool(has), .. }) if !has.value)
        }
        _ => false,
    }
}

fn described(function: &ItemFn, options: &Punctuated<Meta, Token![,]>, file: &Path) -> Function {
    let name = function.sig.ident.to_string();
    let (arguments, returns) = match written_sql(options) {
        Some(sql) => parsed(&name, &sql),
        None => (arguments(function), result(function)),
    };
    let doc: Vec<String> = function.attrs.iter().filter_map(doc_line).collect();
    Function {
        description: Description::parse(&name, &doc.join("\n")),
        name,
        arguments,
        returns,
        file: file.to_owned(),
    }
}

/// The statement of a function whose SQL is written by hand.
fn written_sql(options: &Punctuated<Meta, Token![,]>) -> Option<String> {
    options.iter().find_map(|option| match option {
        Meta::NameValue(pair) if pair.path.is_ident("sql") => text(&pair.value),
        _ => None,
    })
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => text(&pair.value),
        _ => None,
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

fn arguments(function: &ItemFn) -> Vec<Field> {
    let typed = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    typed
        .filter(|typed| !is_virtual(&typed.ty))
        .map(|typed| match typed.pat.as_ref() {
            Pat::Ident(name) => argument(&name.ident.to_string(), &typed.ty),
            _ => panic!("an argument of {} has no name", function.sig.ident),
        })
        .collect()
}

fn result(function: &ItemFn) -> Returns {
    match &function.sig.output {
        ReturnType::Default => Returns::One("void".to_owned()),
        ReturnType::Type(_, rust) => returns(match rust.as_ref() {
            Type::Paren(inner) => &inner.elem,
            other => other,
        }),
    }
}

/// Arguments and result of `CREATE FUNCTION tokenauth.name(…) RETURNS … LANGUAGE …`.
fn parsed(name: &str, sql: &str) -> (Vec<Field>, Returns) {
    let expected = format!("CREATE FUNCTION tokenauth.{name}(");
    let (_, rest) = sql.split_once(&expected).unwrap_or_else(|| panic!("the SQL of {name} does not create it"));
    let (listed, rest) = rest.split_once(')').expect("the arguments end");
    let (_, rest) = rest.split_once("RETURNS ").expect("it returns something");
    let (returned, _) = rest.split_once("\nLANGUAGE").expect("a language");
    let returns = match returned.trim().strip_prefix("TABLE (") {
        Some(columns) => Returns::Table(fields(columns.trim_end_matches(')'))),
        None => Returns::One(returned.trim().to_owned()),
    };
    (fields(listed), returns)
}

fn fields(listed: &str) -> Vec<Field> {
    let declared = listed.split(',').map(str::trim).filter(|field| !field.is_empty());
    declared
        .map(|field| {
            let (field, default) = match field.split_once(" DEFAULT ") {
                Some((field, default)) => (field, Some(default.to_owned())),
                None => (field, None),
            };
            let (name, sql_type) = field.split_once(' ').expect("a name and a type");
            Field { name: name.trim_matches('"').to_owned(), sql_type: sql_type.trim().to_owned(), default }
        })
        .collect()
}
