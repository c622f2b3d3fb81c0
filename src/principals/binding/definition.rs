//! How a row becomes a principal or a membership: the arguments of `bind_principals` and `bind_members`, which are also
//! those of the triggers.

use std::array;

use super::Supplied;
use crate::arguments::{bounded, refuse_tokens};
use crate::error::{ArgumentError, BindingError, Error};
use crate::model::bound_to::BoundTo;
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::expression::is_expression;
use crate::pg::sql::template::filled;
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
pub struct NameExpression<'a> {
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

    /// Checks that no expression has a token in it: triggers, dumps and errors would show it.
    ///
    /// # Errors
    /// 22023 when one has.
    pub fn refuse_tokens(&self) -> Result<(), ArgumentError> {
        let names = [("id", Some(&self.id)), ("org", self.org.as_ref())].into_iter();
        let fields = FIELDS.iter().map(|field| field.name).zip(self.fields.iter().map(Option::as_ref));
        names.chain(fields).try_for_each(|(name, text)| refuse_tokens(name, text.map(Text::as_bytes).into_iter()))
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
    ///
    /// Where a row of `users` is the user `uid` while it is `enabled`:
    ///
    /// ```sql
    /// SELECT 'user:' || "tokenauth row".id, "tokenauth row".org, "tokenauth row".active, "tokenauth row".permissions,
    ///        "tokenauth row".data_scopes, "tokenauth row".display_name, "tokenauth row".state_reason
    ///   FROM (SELECT * FROM tokenauth_new) AS users
    ///  CROSS JOIN LATERAL (
    ///        SELECT COALESCE(CAST((
    /// uid
    /// ) AS text), NULL) AS id, NULL::text AS org, COALESCE(CAST((
    /// enabled
    /// ) AS boolean), false) AS active, NULL::text[] AS permissions, NULL::jsonb AS data_scopes,
    ///               NULL::text AS display_name, NULL::text AS state_reason) AS "tokenauth row"
    /// ```
    pub fn query(&self, rows: &[u8], alias: &[u8]) -> Vec<u8> {
        self.select(self.fields.each_ref().map(Option::as_ref), rows, alias)
    }

    /// The same query for the names of principals and organisations alone.
    pub fn names_query(&self, rows: &[u8], alias: &[u8]) -> Vec<u8> {
        self.select([None; FIELDS.len()], rows, alias)
    }

    /// The same query for those rows alone whose names are among `tokenauth_names`.
    pub fn named_query(&self, rows: &[u8], alias: &[u8]) -> Vec<u8> {
        let org: &[u8] = match self.to {
            BoundTo::Principals(_) => b"",
            BoundTo::Memberships => b" AND n.org = \"tokenauth row\".org COLLATE \"C\"",
        };
        filled(
            "{all}
              WHERE EXISTS (SELECT FROM tokenauth_names n WHERE n.principal = ({principal}) COLLATE \"C\"{org})",
            &[("all", &self.query(rows, alias)), ("principal", self.principal().as_bytes()), ("org", org)],
        )
    }

    /// The query for what tells one row's principal or membership from another's, over the table itself.
    pub fn identity_query(&self, relation: &[u8], alias: &[u8]) -> Vec<u8> {
        let names = [Some(&self.id), self.org.as_ref()].into_iter().flatten();
        let identity = names.map(|name| cast(name, "text")).collect::<Vec<_>>().join(&b", "[..]);
        filled(
            "SELECT {identity} FROM {relation} AS {alias}",
            &[("identity", &identity), ("relation", relation), ("alias", alias)],
        )
    }

    fn select(&self, fields: [Option<&Text>; FIELDS.len()], rows: &[u8], alias: &[u8]) -> Vec<u8> {
        let name = |expression| evaluated(expression, "text", "NULL");
        let [active, permissions, data_scopes, display_name, state_reason] =
            array::from_fn(|place| evaluated(fields[place], FIELDS[place].sql_type, FIELDS[place].null));
        filled(
            "SELECT {principal}, \"tokenauth row\".org, \"tokenauth row\".active, \"tokenauth row\".permissions,
                    \"tokenauth row\".data_scopes, \"tokenauth row\".display_name, \"tokenauth row\".state_reason
               FROM ({rows}) AS {alias}
              CROSS JOIN LATERAL (
                    SELECT {id} AS id, {org} AS org, {active} AS active, {permissions} AS permissions,
                           {data_scopes} AS data_scopes, {display_name} AS display_name,
                           {state_reason} AS state_reason) AS \"tokenauth row\"",
            &[
                ("principal", self.principal().as_bytes()),
                ("rows", rows),
                ("alias", alias),
                ("id", &name(Some(&self.id))),
                ("org", &name(self.org.as_ref())),
                ("active", &active),
                ("permissions", &permissions),
                ("data_scopes", &data_scopes),
                ("display_name", &display_name),
                ("state_reason", &state_reason),
            ],
        )
    }

    /// The expressions for names: each with the column of `tokenauth_names` that holds its values, and what stands
    /// before each of them there.
    pub fn names(&self) -> Vec<NameExpression<'_>> {
        match (&self.to, &self.org) {
            (BoundTo::Principals(principal_type), _) => {
                vec![NameExpression { expression: &self.id, column: "principal", prefix: format!("{principal_type}:") }]
            }
            (BoundTo::Memberships, org) => org
                .iter()
                .map(|org| NameExpression { expression: org, column: "org", prefix: String::new() })
                .chain([NameExpression { expression: &self.id, column: "principal", prefix: String::new() }])
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

/// The value of an expression, where `null` stands for NULL; without an expression, NULL.
fn evaluated(expression: Option<&Text>, sql_type: &str, null: &str) -> Vec<u8> {
    match expression {
        None => format!("NULL::{sql_type}").into_bytes(),
        Some(expression) => {
            filled("COALESCE({value}, {null})", &[("value", &cast(expression, sql_type)), ("null", null.as_bytes())])
        }
    }
}

/// An expression of this type, on lines of its own, so that a comment at its end ends with it.
fn cast(expression: &Text, sql_type: &str) -> Vec<u8> {
    filled(
        "CAST((\n{expression}\n) AS {type})",
        &[("expression", expression.as_bytes()), ("type", sql_type.as_bytes())],
    )
}

#[cfg(test)]
mod tests {
    use super::{BoundTo, Definition};

    #[test]
    fn an_expression_stands_on_lines_of_its_own_and_under_what_null_means() {
        let users = Definition {
            to: BoundTo::Principals(String::from("user")),
            id: "uid".into(),
            org: None,
            fields: [Some("enabled -- {id}".into()), None, None, None, None],
        };
        let sql = String::from_utf8(users.query(b"SELECT * FROM tokenauth_new", b"users")).unwrap();
        assert!(sql.contains("CAST((\nenabled -- {id}\n) AS boolean)"), "{sql}");
        assert_eq!(
            sql.split_whitespace().collect::<Vec<_>>().join(" "),
            "SELECT 'user:' || \"tokenauth row\".id, \"tokenauth row\".org, \"tokenauth row\".active, \
             \"tokenauth row\".permissions, \"tokenauth row\".data_scopes, \"tokenauth row\".display_name, \
             \"tokenauth row\".state_reason FROM (SELECT * FROM tokenauth_new) AS users CROSS JOIN LATERAL ( SELECT \
             COALESCE(CAST(( uid ) AS text), NULL) AS id, NULL::text AS org, \
             COALESCE(CAST(( enabled -- {id} ) AS boolean), false) AS active, NULL::text[] AS permissions, \
             NULL::jsonb AS data_scopes, NULL::text AS display_name, NULL::text AS state_reason) \
             AS \"tokenauth row\""
        );
    }
}
