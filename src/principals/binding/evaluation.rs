//! Evaluates the expressions of a binding over rows, as the current user.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use super::changes::{Changes, WantedState};
use super::definition::Definition;
use super::source::Source;
use crate::arguments::{self, MOST_NAME, MOST_PROSE};
use crate::error::{BindingError, BoundRow, Error, PrincipalError};
use crate::model::bound_to::{BoundTo, Subject};
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::query::Query;
use crate::pg::sql::rows::{Reader, Rows};
use crate::pg::transaction::guc_scope::{GucScope, SEARCH_PATH};
use crate::pg::types::array::TextArray;
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// The columns of a binding's query.
mod column {
    pub const PRINCIPAL: usize = 1;
    pub const ORG: usize = 2;
    pub const ACTIVE: usize = 3;
    pub const PERMISSIONS: usize = 4;
    pub const DATA_SCOPES: usize = 5;
    pub const DISPLAY_NAME: usize = 6;
    pub const STATE_REASON: usize = 7;
}

/// Sets what the meaning of an expression depends on, in parsing it and in turning its values into text, so that it is
/// the same whoever writes the table. A policy that would hide rows from it, of the table or of another that it reads,
/// is an error: a hidden row must neither keep tokens alive nor widen what they may do.
pub fn settled() -> GucScope {
    GucScope::set(&[
        SEARCH_PATH,
        (c"standard_conforming_strings", c"on"),
        (c"transform_null_equals", c"off"),
        (c"DateStyle", c"ISO, MDY"),
        (c"IntervalStyle", c"postgres"),
        (c"TimeZone", c"UTC"),
        (c"bytea_output", c"hex"),
        (c"extra_float_digits", c"1"),
        (c"row_security", c"off"),
    ])
}

/// A binding, ready to be evaluated.
pub struct Evaluation {
    definition: Definition,
    source: Text,
    values: Query,
    names: Query,
}

impl Evaluation {
    /// For rows of a trigger, of which `rows` is an example.
    ///
    /// # Errors
    /// Those of expressions that do not fit the table.
    pub fn over_rows(definition: Definition, source: &Source, rows: &Rows) -> Result<Self, Error> {
        Self::prepare(definition, source, &source.select_from(rows), |sql| Query::prepare(sql, &[rows]))
    }

    /// For the table as it is.
    ///
    /// # Errors
    /// As [`over_rows`](Self::over_rows).
    pub fn over_table(definition: Definition, source: &Source) -> Result<Self, Error> {
        let select = [b"SELECT * FROM ", source.qualified.as_bytes()].concat();
        Self::prepare(definition, source, &select, |sql| Query::prepare_once(sql, &[]))
    }

    fn prepare(
        definition: Definition,
        source: &Source,
        select: &[u8],
        prepare: impl Fn(&[u8]) -> Query,
    ) -> Result<Self, Error> {
        let alias = source.alias.as_bytes();
        let prepared = caught(|| {
            let names = prepare(&definition.names_query(select, alias));
            Ok((names, prepare(&definition.query(select, alias))))
        });
        match prepared {
            Ok((names, values)) => Ok(Evaluation { definition, source: source.qualified.clone(), values, names }),
            Err(why) => Err(Error::InBinding { row: place(&definition, &source.qualified), why: Box::new(why) }),
        }
    }

    /// What the rows become, and how.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The name of the table, quoted.
    pub fn source(&self) -> &Text {
        &self.source
    }

    /// No changes yet.
    pub fn no_changes(&self) -> Changes {
        Changes::new(self.definition.to().clone(), self.definition.supplied())
    }

    /// Adds every row as a principal or a membership.
    ///
    /// # Errors
    /// Those of expressions, 22004 for a NULL name, 22023 for a malformed one.
    pub fn put_all(&self, rows: Option<&Rows>, changes: &mut Changes) -> Result<(), Error> {
        self.put_each(rows, changes, |_| ())
    }

    /// As [`put_all`](Self::put_all), and passes on how many rows there were so far.
    ///
    /// # Errors
    /// As `put_all`.
    pub fn put_each(
        &self,
        rows: Option<&Rows>,
        changes: &mut Changes,
        mut so_far: impl FnMut(u64),
    ) -> Result<(), Error> {
        // Names first, so that an error in another expression can name its row.
        let names = self.stored(&self.names, rows)?;
        self.each(&self.values, rows, Some(&names), |number, new| {
            let subject = self.subject(new, number)?;
            changes.put(&subject, self.put(&subject, new)?, None);
            so_far(number);
            Ok(())
        })
    }

    /// Marks the principal or membership of every row as gone.
    ///
    /// # Errors
    /// Those of the expressions for names.
    pub fn all_gone(&self, rows: Option<&Rows>, changes: &mut Changes) -> Result<(), Error> {
        self.each_former(rows, |subject| changes.gone(&subject))
    }

    /// Passes on the principal or membership of every row.
    ///
    /// # Errors
    /// Those of the expressions for names; 22004 for a NULL name, 22023 for a malformed one.
    pub fn each_subject(&self, rows: &Rows, mut take: impl FnMut(Subject)) -> Result<(), Error> {
        self.each(&self.names, Some(rows), None, |number, row| {
            take(self.subject(row, number)?);
            Ok(())
        })
    }

    /// Passes on what every row stood for and stands for now; the former only where its names were well formed.
    ///
    /// # Errors
    /// As [`each_subject`](Self::each_subject).
    pub fn each_change(
        &self,
        old: &Rows,
        new: &Rows,
        mut take: impl FnMut(Option<Subject>, Subject),
    ) -> Result<(), Error> {
        let before = self.stored(&self.names, Some(old))?;
        let mut reader = Reader::new(&before);
        self.each(&self.names, Some(new), None, |number, row| {
            let former = reader.next().and_then(|old| self.parsed(&old));
            take(former, self.subject(row, number)?);
            Ok(())
        })
    }

    /// Passes on the principal or membership of every row whose names are well formed.
    ///
    /// # Errors
    /// Those of the expressions for names.
    pub fn each_former(&self, rows: Option<&Rows>, mut take: impl FnMut(Subject)) -> Result<(), Error> {
        self.each(&self.names, rows, None, |_, row| {
            if let Some(subject) = self.parsed(row) {
                take(subject);
            }
            Ok(())
        })
    }

    /// Adds every row whose names are among `names` as a principal or a membership.
    ///
    /// # Errors
    /// As [`put_all`](Self::put_all).
    pub fn put_named(&self, source: &Source, rows: &Rows, names: &Rows, changes: &mut Changes) -> Result<(), Error> {
        let sql = self.definition.named_query(&source.select_from(rows), source.alias.as_bytes());
        let query = caught(|| Ok(Query::prepare_once(&sql, &[rows, names])))?;
        self.each_over(&query, &[rows, names], None, |number, new| {
            let subject = self.subject(new, number)?;
            changes.put(&subject, self.put(&subject, new)?, None);
            Ok(())
        })
    }

    /// Adds the change from each row of `old` to the row of `new` at the same position.
    ///
    /// # Errors
    /// As [`put_all`](Self::put_all).
    pub fn update(&self, old: &Rows, new: &Rows, changes: &mut Changes) -> Result<(), Error> {
        let before = self.stored(&self.values, Some(old))?;
        let mut reader = Reader::new(&before);
        self.each(&self.values, Some(new), Some(&before), |number, new| {
            let old = reader.next();
            // A row with the same values before and after needs no comparison with what is stored; but if an expression
            // reads other tables or the clock, these may have changed since the row was stored.
            if self.values.is_of_its_rows_alone() && old.as_ref().is_some_and(|old| is_same(old, new)) {
                return Ok(());
            }
            let former = old.as_ref().and_then(|old| self.parsed(old));
            let subject = self.subject(new, number).map_err(|error| match &former {
                Some(former) => error.in_row(former.shown()),
                None => error,
            })?;
            if let Some(former) = former.filter(|former| *former != subject) {
                changes.gone(&former);
            }
            let was_active = old.and_then(|old| old.optional(column::ACTIVE));
            changes.put(&subject, self.put(&subject, new)?, was_active);
            Ok(())
        })
    }

    /// Stores the result of a query.
    fn stored(&self, query: &Query, rows: Option<&Rows>) -> Result<Rows, Error> {
        let mut stored = Rows::new(
            c"tokenauth_before",
            &[
                (c"principal", pg_sys::TEXTOID),
                (c"org", pg_sys::TEXTOID),
                (c"active", pg_sys::BOOLOID),
                (c"permissions", pg_sys::TEXTARRAYOID),
                (c"data_scopes", pg_sys::JSONBOID),
                (c"display_name", pg_sys::TEXTOID),
                (c"state_reason", pg_sys::TEXTOID),
            ],
        );
        self.each(query, rows, None, |_, row| {
            stored.put_row(row);
            Ok(())
        })?;
        Ok(stored)
    }

    /// Runs a query and passes on each row with its number, counted from 1. An error raised by an expression is
    /// reported with its row, by its name in `names` if that is given.
    fn each(
        &self,
        query: &Query,
        rows: Option<&Rows>,
        names: Option<&Rows>,
        take: impl FnMut(u64, &Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.each_over(query, rows.as_slice(), names, take)
    }

    /// As [`each`](Self::each), for a query that reads several kinds of rows.
    fn each_over(
        &self,
        query: &Query,
        rows: &[&Rows],
        names: Option<&Rows>,
        mut take: impl FnMut(u64, &Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let number = Cell::new(1);
        let outcome = caught(|| {
            query.each(rows, |row| {
                take(number.get(), row)?;
                number.set(number.get() + 1);
                Ok(())
            })
        });
        match outcome {
            Err(why @ Error::Binding(BindingError::Expression(_))) => {
                Err(Error::InBinding { row: self.row(number.get(), names), why: Box::new(why) })
            }
            outcome => outcome,
        }
    }

    fn row(&self, number: u64, names: Option<&Rows>) -> BoundRow {
        let name = names.and_then(|names| {
            let mut reader = Reader::new(names);
            for _ in 1..number {
                reader.next()?;
            }
            let row = reader.next()?;
            let name = |column| row.bytes(column).map(encoding::shown);
            match self.definition.to() {
                BoundTo::Principals(_) => name(column::PRINCIPAL),
                BoundTo::Memberships => {
                    name(column::PRINCIPAL).zip(name(column::ORG)).map(|(member, org)| format!("{member} in {org}"))
                }
            }
        });
        self.bound_row(name.unwrap_or_else(|| format!("number {number}")))
    }

    fn bound_row(&self, row: String) -> BoundRow {
        BoundRow { row: Some(row), ..place(&self.definition, &self.source) }
    }

    /// The principal or membership that a row stands for.
    fn subject(&self, row: &Row, number: u64) -> Result<Subject, Error> {
        self.named(row)
            .map_err(|why| Error::InBinding { row: self.bound_row(format!("number {number}")), why: Box::new(why) })
    }

    /// The principal or membership that a row stood for, if its names were well formed.
    fn parsed(&self, row: &Row) -> Option<Subject> {
        self.named(row).ok()
    }

    fn named(&self, row: &Row) -> Result<Subject, Error> {
        let name = |what, column| PrincipalName::given(what, row.optional(column));
        match self.definition.to() {
            BoundTo::Principals(_) => Ok(Subject { principal: name("id", column::PRINCIPAL)?, org: None }),
            BoundTo::Memberships => {
                let (org, member) = (name("org", column::ORG)?, name("member", column::PRINCIPAL)?);
                if org == member {
                    Err(PrincipalError::MemberOfItself.into())
                } else {
                    Ok(Subject { principal: member, org: Some(org) })
                }
            }
        }
    }

    fn put(&self, subject: &Subject, row: &Row) -> Result<WantedState, Error> {
        self.checked(row).map_err(|why| Error::InBinding { row: self.bound_row(subject.shown()), why: Box::new(why) })
    }

    fn checked(&self, row: &Row) -> Result<WantedState, Error> {
        let permissions = row
            .optional::<TextArray>(column::PERMISSIONS)
            .map(|held| arguments::scopes_without_tokens("permissions", &held))
            .transpose()?;
        let data_scopes = row
            .optional::<Jsonb>(column::DATA_SCOPES)
            .map(|data| arguments::data_scopes_without_tokens(&data))
            .transpose()?;
        Ok(WantedState {
            active: row.optional(column::ACTIVE),
            permissions,
            data_scopes: data_scopes.map(|data| Jsonb::of(&data.to_value())),
            display_name: arguments::masked("display_name", row.optional(column::DISPLAY_NAME), MOST_NAME)?,
            state_reason: arguments::masked("state_reason", row.optional(column::STATE_REASON), MOST_PROSE)?,
        })
    }
}

/// The place of an error in a binding, before any row is read.
fn place(definition: &Definition, source: &Text) -> BoundRow {
    BoundRow { table: source.shown(), to: definition.to().clone(), row: None }
}

/// Runs code that may raise errors of expressions, and returns these.
fn caught<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    PgTryBuilder::new(AssertUnwindSafe(run))
        .catch_others(|caught| match caught {
            CaughtError::PostgresError(raised)
                if raised.sql_error_code() != pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED =>
            {
                Err(BindingError::Expression(Box::new(raised)).into())
            }
            other => other.rethrow(),
        })
        .execute()
}

/// Whether two rows of the query are the same, byte by byte.
fn is_same(old: &Row, new: &Row) -> bool {
    old.optional::<bool>(column::ACTIVE) == new.optional(column::ACTIVE)
        && [
            column::PRINCIPAL,
            column::ORG,
            column::PERMISSIONS,
            column::DATA_SCOPES,
            column::DISPLAY_NAME,
            column::STATE_REASON,
        ]
        .iter()
        .all(|&column| old.bytes(column) == new.bytes(column))
}
