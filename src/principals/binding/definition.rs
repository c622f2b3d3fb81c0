//! How a row becomes a principal or a membership: the arguments of `bind_principals` and `bind_members`, which are also
//! those of the triggers.

use super::Supplied;
use crate::arguments::bounded;
use crate::error::{ArgumentError, BindingError, Error};
use crate::model::bound_to::BoundTo;
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::expression::is_expression;
use crate::pg::types::text::Text;

/// The optional fields, in the order of the triggers' arguments; each with its type and what NULL means.
const FIELDS: [Field; 5] = [
    Field { name: "active", sql_type: "boolean", null: "false" },
    Field { name: "permissions", sql_type: "text[]", null: "'{}'" },
    Field { name: "data_scopes", sql_type: "jsonb", null: "'{\"*\": []}'" },
    Field { name: "display_name", sql_type: "text", null: "NULL" },
    Field { name: "state_reason", sql_type: "text", null: "NULL" },
];

struct Field {
    name: &'static str,
    sql_type: &'static str,
    null: &'static str,
}

/// The expressions of a binding, and what its rows become.
#[derive(Clone, PartialEq, Eq)]
pub struct Definition {
    to: BoundTo,
    /// The principal's id; in a membership, the whole member.
    id: Text,
    /// In a membership, the whole organisation.
    org: Option<Text>,
    fields: [Option<Text>; FIELDS.len()],
}

/// An expression for a name.
pub struct Name<'a> {
    /// The expression.
    pub expression: &'a Text,
    /// The column of names.
    pub column: &'static str,
    /// What stands in that column before the value of the expression.
    pub prefix: String,
}

impl Definition {
    /// Reads the arguments of `bind_principals`.
    ///
    /// # Errors
    /// 22004 for an absent type or id, 22023 for a malformed type, 42601 for an argument that is not an expression.
    pub fn new(
        principal_type: Option<Text>,
        id: Option<Text>,
        fields: [Option<Text>; FIELDS.len()],
    ) -> Result<Self, Error> {
        let principal_type = principal_type.ok_or(ArgumentError::Absent("type"))?;
        if !PrincipalName::is_type(principal_type.as_bytes()) {
            return Err(ArgumentError::BoundType.into());
        }
        let id = expression("id", id)?.ok_or(ArgumentError::Absent("id"))?;
        let mut checked = [const { None }; FIELDS.len()];
        for ((checked, given), field) in checked.iter_mut().zip(fields).zip(&FIELDS) {
            *checked = expression(field.name, given)?;
        }
        Ok(Definition { to: BoundTo::Principals(principal_type.shown()), id, org: None, fields: checked })
    }

    /// Reads the arguments of `bind_members`.
    ///
    /// # Errors
    /// 22004 for an absent organisation or member, 42601 for an argument that is not an expression.
    pub fn of_memberships(org: Option<Text>, member: Option<Text>, permissions: Option<Text>) -> Result<Self, Error> {
        let org = expression("org", org)?.ok_or(ArgumentError::Absent("org"))?;
        let id = expression("member", member)?.ok_or(ArgumentError::Absent("member"))?;
        let permissions = expression("permissions", permissions)?;
        Ok(Definition { to: BoundTo::Memberships, id, org: Some(org), fields: [None, permissions, None, None, None] })
    }

    /// Reads the arguments of a trigger: type, id, active, permissions, data_scopes, display_name, state_reason; or,
    /// since a membership has no type, `''`, org, member, permissions. An argument that is left out or `''` is absent.
    ///
    /// # Errors
    /// 39P01 when a required argument is missing or there are too many; otherwise as [`new`](Self::new) and
    /// [`of_memberships`](Self::of_memberships).
    pub fn of_arguments(arguments: &[Text]) -> Result<Self, Error> {
        let given = |text: &Text| Some(text.clone()).filter(|text| !text.is_empty());
        match arguments {
            [no_type, org, member, rest @ ..] if no_type.is_empty() && rest.len() <= 1 => {
                let (org, member) = given(org).zip(given(member)).ok_or(BindingError::TriggerArguments)?;
                Self::of_memberships(Some(org), Some(member), rest.first().and_then(given))
            }
            [principal_type, id, rest @ ..] if !principal_type.is_empty() && rest.len() <= FIELDS.len() => {
                let id = given(id).ok_or(BindingError::TriggerArguments)?;
                let mut fields = [const { None }; FIELDS.len()];
                for (field, argument) in fields.iter_mut().zip(rest) {
                    *field = given(argument);
                }
                Self::new(Some(principal_type.clone()), Some(id), fields)
            }
            _ => Err(BindingError::TriggerArguments.into()),
        }
    }

    /// The arguments for its triggers; the inverse of [`of_arguments`](Self::of_arguments).
    pub fn arguments(&self) -> Vec<Text> {
        let field = |text: &Option<Text>| text.clone().unwrap_or_else(|| Text::from(""));
        match &self.to {
            BoundTo::Principals(principal_type) => [Text::from(principal_type.as_str()), self.id.clone()]
                .into_iter()
                .chain(self.fields.iter().map(field))
                .collect(),
            BoundTo::Memberships => {
                let [_, permissions, ..] = &self.fields;
                vec![Text::from(""), field(&self.org), self.id.clone(), field(permissions)]
            }
        }
    }

    /// What the rows become.
    pub fn to(&self) -> &BoundTo {
        &self.to
    }

    /// The fields it supplies.
    pub fn supplied(&self) -> Supplied {
        let [active, permissions, data_scopes, display_name, state_reason] =
            self.fields.each_ref().map(Option::is_some);
        Supplied { active, permissions, data_scopes, display_name, state_reason }
    }

    /// The query that evaluates the binding over `rows`, a SELECT, which expressions call `alias`, quoted. It returns
    /// the whole principal, the whole organisation and the five fields.
    ///
    /// The expressions are in a subquery of their own and under COALESCE, which admits neither an aggregate over the
    /// rows nor a set-returning function: one row stays one principal. The rows are in a subquery too, so that an
    /// expression sees the same columns whether they come from a transition table, a single row or the table itself.
    pub fn query(&self, rows: &[u8], alias: &[u8]) -> Vec<u8> {
        let mut sql = format!("SELECT {}, \"tokenauth row\".org", self.principal()).into_bytes();
        for field in &FIELDS {
            sql.extend_from_slice(format!(", \"tokenauth row\".{}", field.name).as_bytes());
        }
        sql.extend_from_slice(b" FROM (");
        sql.extend_from_slice(rows);
        sql.extend_from_slice(b") AS ");
        sql.extend_from_slice(alias);
        sql.extend_from_slice(b" CROSS JOIN LATERAL (SELECT ");
        push(&mut sql, &self.id, "text", "NULL");
        sql.extend_from_slice(b" AS id, ");
        match &self.org {
            Some(org) => push(&mut sql, org, "text", "NULL"),
            None => sql.extend_from_slice(b"NULL::text"),
        }
        sql.extend_from_slice(b" AS org");
        for (field, expression) in FIELDS.iter().zip(&self.fields) {
            sql.extend_from_slice(b", ");
            match expression {
                Some(expression) => push(&mut sql, expression, field.sql_type, field.null),
                None => sql.extend_from_slice(format!("NULL::{}", field.sql_type).as_bytes()),
            }
            sql.extend_from_slice(format!(" AS {}", field.name).as_bytes());
        }
        sql.extend_from_slice(b") AS \"tokenauth row\"");
        sql
    }

    /// The query for what tells one row's principal or membership from another's, over the table itself.
    pub fn identity_query(&self, relation: &[u8], alias: &[u8]) -> Vec<u8> {
        let mut sql = b"SELECT ".to_vec();
        for (place, expression) in [Some(&self.id), self.org.as_ref()].into_iter().flatten().enumerate() {
            sql.extend_from_slice(if place == 0 { b"CAST((\n" } else { b", CAST((\n" });
            sql.extend_from_slice(expression.as_bytes());
            sql.extend_from_slice(b"\n) AS text)");
        }
        sql.extend_from_slice(b" FROM ");
        sql.extend_from_slice(relation);
        sql.extend_from_slice(b" AS ");
        sql.extend_from_slice(alias);
        sql
    }

    /// The same query for the names of principals and organisations alone.
    pub fn names_query(&self, rows: &[u8], alias: &[u8]) -> Vec<u8> {
        let only_id = Definition { fields: [const { None }; FIELDS.len()], ..self.clone() };
        only_id.query(rows, alias)
    }

    /// The same query for those rows alone whose names are among `tokenauth_names`.
    pub fn named_query(&self, rows: &[u8], alias: &[u8]) -> Vec<u8> {
        let mut sql = self.query(rows, alias);
        let org = match self.to {
            BoundTo::Principals(_) => "",
            BoundTo::Memberships => " AND n.org = \"tokenauth row\".org COLLATE \"C\"",
        };
        let principal = self.principal();
        sql.extend_from_slice(
            format!(
                " WHERE EXISTS (SELECT FROM tokenauth_names n WHERE n.principal = ({principal}) COLLATE \"C\"{org})"
            )
            .as_bytes(),
        );
        sql
    }

    /// The expressions for names: each with the column of `tokenauth_names` that holds its values, and what stands
    /// before each of them there.
    pub fn names(&self) -> Vec<Name<'_>> {
        match (&self.to, &self.org) {
            (BoundTo::Principals(principal_type), _) => {
                vec![Name { expression: &self.id, column: "principal", prefix: format!("{principal_type}:") }]
            }
            (BoundTo::Memberships, org) => org
                .iter()
                .map(|org| Name { expression: org, column: "org", prefix: String::new() })
                .chain([Name { expression: &self.id, column: "principal", prefix: String::new() }])
                .collect(),
        }
    }

    /// The whole principal of an evaluated row.
    fn principal(&self) -> String {
        match &self.to {
            BoundTo::Principals(principal_type) => format!("'{principal_type}:' || \"tokenauth row\".id"),
            BoundTo::Memberships => String::from("\"tokenauth row\".id"),
        }
    }
}

/// Longest expression, in bytes: the query has a copy of each.
const MOST_EXPRESSION: usize = 64 * 1024;

/// Checks that an argument is one expression, or absent.
///
/// # Errors
/// 42601 when it is not, 22023 when it is too long.
fn expression(name: &'static str, text: Option<Text>) -> Result<Option<Text>, Error> {
    let is_blank = |text: &Text| text.as_bytes().trim_ascii().is_empty();
    match bounded(name, text, MOST_EXPRESSION)? {
        Some(text) if is_blank(&text) || !is_expression(text.as_bytes()) => {
            Err(BindingError::NotAnExpression(name).into())
        }
        text => Ok(text),
    }
}

/// Appends an expression, on lines of its own, so that a comment at its end ends with it.
fn push(sql: &mut Vec<u8>, expression: &Text, sql_type: &str, null: &str) {
    sql.extend_from_slice(b"COALESCE(CAST((\n");
    sql.extend_from_slice(expression.as_bytes());
    sql.extend_from_slice(format!("\n) AS {sql_type}), {null})").as_bytes());
}
