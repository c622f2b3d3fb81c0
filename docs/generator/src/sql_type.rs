//! The SQL types of Rust types, as pgrx declares them; the regression test `reference` asks the server about each.

use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, GenericArgument, Lit, PathArguments, Token, Type};

/// Types by which a function takes its call or answers by itself: no arguments in SQL.
const VIRTUAL: &[&str] = &["Call", "TriggerCall", "Answer"];

const TYPES: &[(&str, &str)] = &[
    ("Text", "text"),
    ("Presented", "text"),
    ("PresentedText", "text"),
    ("Plaintext", "text"),
    ("&str", "text"),
    ("TextArray", "text[]"),
    ("Jsonb", "jsonb"),
    ("Uuid", "uuid"),
    ("Interval", "interval"),
    ("Timestamp", "timestamptz"),
    ("bool", "boolean"),
    ("i32", "integer"),
    ("i64", "bigint"),
    ("f64", "double precision"),
    ("&[u8]", "bytea"),
    ("Role", "regrole"),
    ("Table", "regclass"),
    ("ColumnName", "name"),
    ("()", "void"),
    ("Raise", "void"),
    ("TriggerAnswer", "trigger"),
    ("Verification", "tokenauth.verification"),
    ("VerificationArgument", "tokenauth.verification"),
    ("IssuedFields", "tokenauth.issued"),
    ("RotationRow", "tokenauth.rotation"),
    ("RecentUsage", "tokenauth.recent_usage"),
    ("TokensRow", "tokenauth.tokens"),
    ("TokensRows", "SETOF tokenauth.tokens"),
];

/// A column of a table that a function returns, or an argument, with its default as SQL.
pub struct Field {
    pub name: String,
    pub sql_type: String,
    pub default: Option<String>,
}

/// What a function returns.
pub enum Returns {
    One(String),
    Table(Vec<Field>),
}

/// Whether an argument of this type does not exist in SQL.
pub fn is_virtual(rust: &Type) -> bool {
    VIRTUAL.contains(&written(rust).as_str())
}

/// An argument of this name and type; `default!(Option<Text>, "NULL")` has a default.
pub fn argument(name: &str, rust: &Type) -> Field {
    let name = name.trim_start_matches("r#").to_owned();
    match rust {
        Type::Macro(call) if call.mac.path.is_ident("default") => {
            let Default { rust, value } = call.mac.parse_body().expect("default!(type, value)");
            Field { name, sql_type: sql_type(&rust), default: Some(value) }
        }
        rust => Field { name, sql_type: sql_type(rust), default: None },
    }
}

/// What `Result<…, ErrorReport>`, or the type itself, is in SQL.
pub fn returns(rust: &Type) -> Returns {
    let rust = within("Result", rust).unwrap_or(rust);
    match within("TableIterator", rust) {
        Some(Type::Tuple(columns)) => Returns::Table(columns.elems.iter().map(column).collect()),
        _ => Returns::One(sql_type(rust)),
    }
}

/// A column, written `name!(token, Uuid)`.
fn column(rust: &Type) -> Field {
    let Type::Macro(call) = rust else { panic!("a column is written name!(name, type), not {}", written(rust)) };
    let Named { name, rust } = call.mac.parse_body().expect("name!(name, type)");
    Field { name, sql_type: sql_type(&rust), default: None }
}

fn sql_type(rust: &Type) -> String {
    let rust = within("Option", rust).unwrap_or(rust);
    let name = written(rust);
    let found = TYPES.iter().find(|(rust, _)| *rust == name);
    found.unwrap_or_else(|| panic!("{name} is not among the types in docs/generator/src/sql_type.rs")).1.to_owned()
}

/// The last type argument that is not an error, if this is that generic type.
fn within<'a>(generic: &str, rust: &'a Type) -> Option<&'a Type> {
    let Type::Path(path) = rust else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    (last.ident == generic).then_some(())?;
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(rust) => Some(rust),
        _ => None,
    })
}

/// The type as it is written, without blanks and lifetimes.
fn written(rust: &Type) -> String {
    rust.to_token_stream().to_string().replace(' ', "").replace("&'static", "&")
}

struct Default {
    rust: Type,
    value: String,
}

impl Parse for Default {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let rust = input.parse()?;
        input.parse::<Token![,]>()?;
        let value = match input.parse()? {
            Expr::Lit(literal) => match literal.lit {
                Lit::Str(text) => text.value(),
                other => other.to_token_stream().to_string(),
            },
            other => other.to_token_stream().to_string(),
        };
        Ok(Default { rust, value })
    }
}

struct Named {
    name: String,
    rust: Type,
}

impl Parse for Named {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let name = input.parse::<syn::Ident>()?.to_string();
        input.parse::<Token![,]>()?;
        Ok(Named { name, rust: input.parse()? })
    }
}
