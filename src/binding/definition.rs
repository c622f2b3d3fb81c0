//! How a row becomes a principal: the arguments of `bind_principals`, which are those of the triggers.

use super::Supplied;
use crate::error::Error;
use crate::pg::expression::is_expression;
use crate::pg::text::Text;
use crate::principal::PrincipalName;

/// What can be left out, in the order of the triggers' arguments; with the column's type, and what NULL stands for.
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

/// What a binding says.
#[derive(Clone, PartialEq, Eq)]
pub struct Definition {
    principal_type: String,
    id: Text,
    fields: [Option<Text>; FIELDS.len()],
}

impl Definition {
    /// From the arguments of `bind_principals`.
    ///
    /// # Errors
    /// 22004 for an absent type or id, 22023 for what is not a type, 42601 for what is not an expression.
    pub fn new(
        principal_type: Option<Text>,
        id: Option<Text>,
        fields: [Option<Text>; FIELDS.len()],
    ) -> Result<Self, Error> {
        let principal_type = principal_type.ok_or(Error::Absent("type"))?;
        if !PrincipalName::is_type(principal_type.as_bytes()) {
            return Err(Error::BoundType);
        }
        let definition =
            Definition { principal_type: principal_type.shown(), id: id.ok_or(Error::Absent("id"))?, fields };
        let fields = FIELDS.iter().map(|field| field.name).zip(&definition.fields);
        for (name, expression) in [("id", &Some(definition.id.clone()))].into_iter().chain(fields) {
            let is_blank = |text: &Text| text.as_bytes().trim_ascii().is_empty();
            if expression.as_ref().is_some_and(|text| is_blank(text) || !is_expression(text.as_bytes())) {
                return Err(Error::NotAnExpression(name));
            }
        }
        Ok(definition)
    }

    /// From the arguments of a trigger: type, id, active, permissions, data_scopes, display_name, state_reason; what is
    /// left out or `''` is absent.
    ///
    /// # Errors
    /// 39P01 when type or id are missing or there are too many; else as [`new`](Self::new).
    pub fn of_arguments(arguments: &[Text]) -> Result<Self, Error> {
        let ([principal_type, id], rest) = arguments.split_first_chunk().ok_or(Error::TriggerArguments)?;
        if rest.len() > FIELDS.len() || id.is_empty() {
            return Err(Error::TriggerArguments);
        }
        let mut fields = [const { None }; FIELDS.len()];
        for (field, argument) in fields.iter_mut().zip(rest) {
            *field = Some(argument.clone()).filter(|text| !text.is_empty());
        }
        Self::new(Some(principal_type.clone()), Some(id.clone()), fields)
    }

    /// The arguments of its triggers; inverse of [`of_arguments`](Self::of_arguments).
    pub fn arguments(&self) -> Vec<Text> {
        let field = |text: &Option<Text>| text.clone().unwrap_or_else(|| Text::from(""));
        [Text::from(self.principal_type.as_str()), self.id.clone()]
            .into_iter()
            .chain(self.fields.iter().map(field))
            .collect()
    }

    /// The type of principals.
    pub fn principal_type(&self) -> &str {
        &self.principal_type
    }

    /// Which fields it supplies.
    pub fn supplied(&self) -> Supplied {
        let [active, permissions, data_scopes, display_name, state_reason] =
            self.fields.each_ref().map(Option::is_some);
        Supplied { active, permissions, data_scopes, display_name, state_reason }
    }

    /// The query that evaluates it over the rows of `relation`, called `alias` in the expressions, both quoted: the whole
    /// principal and the five fields.
    ///
    /// The expressions stand alone in a subquery and under COALESCE, where neither an aggregate over the rows nor a
    /// set-returning function is accepted: one row stays one principal. The rows stand in a subquery too, so that an
    /// expression sees the same whether they come from a transition table, from a single row or from the table itself.
    pub fn query(&self, relation: &[u8], alias: &[u8]) -> Vec<u8> {
        let mut sql = format!("SELECT '{}:' || \"tokenauth row\".id", self.principal_type).into_bytes();
        for field in &FIELDS {
            sql.extend_from_slice(format!(", \"tokenauth row\".{}", field.name).as_bytes());
        }
        sql.extend_from_slice(b" FROM (SELECT * FROM ");
        sql.extend_from_slice(relation);
        sql.extend_from_slice(b") AS ");
        sql.extend_from_slice(alias);
        sql.extend_from_slice(b" CROSS JOIN LATERAL (SELECT ");
        push(&mut sql, &self.id, "text", "NULL");
        sql.extend_from_slice(b" AS id");
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

    /// The same, of the principals' names alone.
    pub fn names_query(&self, relation: &[u8], alias: &[u8]) -> Vec<u8> {
        let only_id = Definition { fields: [const { None }; FIELDS.len()], ..self.clone() };
        only_id.query(relation, alias)
    }
}

/// One expression, on lines of its own so that a comment at its end ends with it.
fn push(sql: &mut Vec<u8>, expression: &Text, sql_type: &str, null: &str) {
    sql.extend_from_slice(b"COALESCE(CAST((\n");
    sql.extend_from_slice(expression.as_bytes());
    sql.extend_from_slice(format!("\n) AS {sql_type}), {null})").as_bytes());
}
