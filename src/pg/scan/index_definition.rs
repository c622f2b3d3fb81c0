//! How an index of ours is made, and how one of its name differs from that.
//!
//! A name proves nothing: whoever owns the tables may drop an index and make another of the same name. What is looked
//! up in it would not be found, or be compared as if it were of another type.

use std::ffi::CStr;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

/// How an index of ours is made.
pub struct Definition {
    /// Its table.
    pub(super) table: &'static CStr,
    /// Its own name.
    pub(super) name: &'static CStr,
    made_as: MadeAs,
    key: &'static [Column],
    condition: Option<&'static str>,
    /// The table that came with it, if the first release did not have it.
    since: Option<&'static CStr>,
    is_needed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MadeAs {
    PrimaryKey,
    Unique,
    Index,
}

/// A column of a key.
pub(super) struct Column {
    /// As the statement that makes the index has it.
    written: &'static str,
    /// Its number in the table; 0 for an expression.
    number: i16,
    of: Of,
    has_nulls_first: bool,
}

/// The type of a column, with the operators by which it is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Bigint,
    Integer,
    Boolean,
    Uuid,
    Bytes,
    /// `text COLLATE "C"`
    Word,
    /// In the collation of the database.
    Text,
    Moment,
    Date,
}

/// An index as it was found.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub is_btree: bool,
    pub is_unique: bool,
    pub is_immediate: bool,
    pub is_primary: bool,
    /// Whether it has an entry for each row, and gets one for each that is written.
    pub is_complete: bool,
    pub key: Vec<FoundColumn>,
    /// As the server shows them.
    pub expression: Option<String>,
    pub condition: Option<String>,
}

/// A column of its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundColumn {
    pub number: i16,
    pub family: pg_sys::Oid,
    pub input: pg_sys::Oid,
    pub collation: pg_sys::Oid,
    pub options: i16,
}

/// How an index is not as it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The table has none of this name.
    Missing,
    /// It is not valid: it is being built, or that was broken off.
    Incomplete,
    /// It is of another access method.
    Method,
    NotUnique,
    Deferrable,
    /// Other columns, or in another order, or compared otherwise.
    Key,
    Condition,
    /// It is no longer the primary key.
    NotPrimary,
}

impl Column {
    pub(super) const fn new(written: &'static str, number: i16, of: Of) -> Self {
        Column { written, number, of, has_nulls_first: false }
    }

    pub(super) const fn with_nulls_first(self) -> Self {
        Column { has_nulls_first: true, ..self }
    }

    fn is(&self, found: &FoundColumn) -> bool {
        let (family, input, collation) = self.of.compared_by();
        let options = if self.has_nulls_first { pg_sys::INDOPTION_NULLS_FIRST } else { 0 };
        *found == FoundColumn { number: self.number, family, input, collation, options: options as i16 }
    }
}

impl Of {
    /// The family of operators, the type that they compare, and the collation.
    fn compared_by(self) -> (pg_sys::Oid, pg_sys::Oid, pg_sys::Oid) {
        /// Families that have no name in the server's headers; their oids never change.
        const DATES: u32 = 434;
        const UUIDS: u32 = 2968;
        let none = pg_sys::InvalidOid;
        match self {
            Of::Bigint => (pg_sys::INTEGER_BTREE_FAM_OID, pg_sys::INT8OID, none),
            Of::Integer => (pg_sys::INTEGER_BTREE_FAM_OID, pg_sys::INT4OID, none),
            Of::Boolean => (pg_sys::BOOL_BTREE_FAM_OID, pg_sys::BOOLOID, none),
            Of::Uuid => (UUIDS.into(), pg_sys::UUIDOID, none),
            Of::Bytes => (pg_sys::BYTEA_BTREE_FAM_OID, pg_sys::BYTEAOID, none),
            Of::Word => (pg_sys::TEXT_BTREE_FAM_OID, pg_sys::TEXTOID, pg_sys::C_COLLATION_OID),
            Of::Text => (pg_sys::TEXT_BTREE_FAM_OID, pg_sys::TEXTOID, pg_sys::DEFAULT_COLLATION_OID),
            Of::Moment => (DATES.into(), pg_sys::TIMESTAMPTZOID, none),
            Of::Date => (DATES.into(), pg_sys::DATEOID, none),
        }
    }
}

impl Definition {
    pub(super) const fn primary_key(table: &'static CStr, name: &'static CStr, key: &'static [Column]) -> Self {
        Self::made(MadeAs::PrimaryKey, table, name, key)
    }

    pub(super) const fn unique(table: &'static CStr, name: &'static CStr, key: &'static [Column]) -> Self {
        Self::made(MadeAs::Unique, table, name, key)
    }

    pub(super) const fn index(table: &'static CStr, name: &'static CStr, key: &'static [Column]) -> Self {
        Self::made(MadeAs::Index, table, name, key)
    }

    const fn made(made_as: MadeAs, table: &'static CStr, name: &'static CStr, key: &'static [Column]) -> Self {
        Definition { table, name, made_as, key, condition: None, since: None, is_needed: false }
    }

    pub(super) const fn on_rows_where(self, condition: &'static str) -> Self {
        Definition { condition: Some(condition), ..self }
    }

    pub(super) const fn of_the_release_with(self, table: &'static CStr) -> Self {
        Definition { since: Some(table), ..self }
    }

    pub(super) const fn needed(self) -> Self {
        Definition { is_needed: true, ..self }
    }

    /// Whether calls fail without it.
    pub fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// The tables without which the extension is of a release that does not have it.
    pub(super) fn comes_with(&self) -> impl Iterator<Item = &'static CStr> {
        [Some(self.table), self.since].into_iter().flatten()
    }

    /// Why rows cannot be read by an index of this name, if they cannot.
    pub(super) fn fault(&self, found: &Found) -> Option<Fault> {
        let has_same_columns = self.key.len() == found.key.len()
            && self.key.iter().zip(&found.key).all(|(column, found)| column.is(found));
        let expression = self.key.iter().find(|column| column.number == 0).map(|column| column.written);
        let has = |written: Option<&str>, found: &Option<String>| written.map(bare) == found.as_deref().map(bare);
        if !found.is_btree {
            Some(Fault::Method)
        } else if !has_same_columns || !has(expression, &found.expression) {
            Some(Fault::Key)
        } else if !has(self.condition, &found.condition) {
            Some(Fault::Condition)
        } else if self.made_as != MadeAs::Index && !found.is_unique {
            Some(Fault::NotUnique)
        } else if self.made_as != MadeAs::Index && !found.is_immediate {
            Some(Fault::Deferrable)
        } else if !found.is_complete {
            Some(Fault::Incomplete)
        } else {
            None
        }
    }

    /// Whether it was made as a primary key and is none, which rows can be read by all the same.
    pub(super) fn is_demoted(&self, found: &Found) -> bool {
        self.made_as == MadeAs::PrimaryKey && !found.is_primary
    }

    /// What it is, as findings name it.
    pub fn object(&self) -> String {
        format!("index {}", self.qualified_name())
    }

    fn qualified_name(&self) -> String {
        format!("tokenauth.{}", self.name.to_string_lossy())
    }

    /// What is wrong with it.
    pub fn finding(&self, fault: Fault) -> String {
        match (fault, self.condition) {
            (Fault::Missing, _) => "is missing".into(),
            (Fault::Incomplete, _) => "is not valid".into(),
            (Fault::Method, _) => "is no B-tree".into(),
            (Fault::NotUnique, _) => "is not unique".into(),
            (Fault::Deferrable, _) => "is deferrable".into(),
            (Fault::Key, _) => format!("is not on ({}), or in another order or collation", self.columns()),
            (Fault::Condition, Some(_)) => "has another condition, or none".into(),
            (Fault::Condition, None) => "has a condition".into(),
            (Fault::NotPrimary, _) => "is not the primary key".into(),
        }
    }

    /// What to do about it.
    pub fn remedy(&self, fault: Fault) -> String {
        match fault {
            Fault::Missing => format!("Use {}.", self.statement()),
            Fault::Incomplete => {
                format!("Unless it is being built, use REINDEX INDEX CONCURRENTLY {}.", self.qualified_name())
            }
            _ => format!("Drop it, and use {}.", self.statement()),
        }
    }

    /// The statement that makes it.
    pub(super) fn statement(&self) -> String {
        let (table, name) = (self.table.to_string_lossy(), self.name.to_string_lossy());
        let columns = self.columns();
        let constraint = |what| format!("ALTER TABLE tokenauth.{table} ADD CONSTRAINT {name} {what} ({columns})");
        match (self.made_as, self.condition) {
            (MadeAs::PrimaryKey, _) => constraint("PRIMARY KEY"),
            (MadeAs::Unique, _) => constraint("UNIQUE"),
            (MadeAs::Index, None) => format!("CREATE INDEX {name} ON tokenauth.{table} ({columns})"),
            (MadeAs::Index, Some(condition)) => {
                format!("CREATE INDEX {name} ON tokenauth.{table} ({columns}) WHERE {condition}")
            }
        }
    }

    fn columns(&self) -> String {
        self.key.iter().map(|column| column.written).collect::<Vec<_>>().join(", ")
    }

    /// Raises 55000: rows cannot be read by it.
    #[cold]
    pub(super) fn raise(&self, fault: Fault) -> ! {
        let message = format!("cannot use index \"{}\"", self.qualified_name());
        ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, "tokenauth")
            .set_detail(format!("It {}.", self.finding(fault)))
            .set_hint(self.remedy(fault))
            .report(PgLogLevel::ERROR);
        unreachable!("an error was raised")
    }
}

/// An expression without what is written in one way and shown in another: parentheses, of which ours need none but
/// around the whole, quotes around names, the types of constants, and the names of operators.
fn bare(expression: &str) -> String {
    let shown: String = expression.chars().filter(|character| !matches!(character, '(' | ')' | '"')).collect();
    let shown = shown.replace("::text", "").replace("LIKE", "~~");
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
impl Definition {
    /// The names and numbers of the columns of its key.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let columns = self.key.iter().filter(|column| column.number > 0);
        columns.map(|column| (column.written.split(' ').next().unwrap_or_default(), column.number as usize))
    }

    /// As it is found right after it was made.
    fn found(&self) -> Found {
        let key = self.key.iter().map(|column| {
            let (family, input, collation) = column.of.compared_by();
            let options = if column.has_nulls_first { 2 } else { 0 };
            FoundColumn { number: column.number, family, input, collation, options }
        });
        Found {
            is_btree: true,
            is_unique: self.made_as != MadeAs::Index,
            is_immediate: true,
            is_primary: self.made_as == MadeAs::PrimaryKey,
            is_complete: true,
            key: key.collect(),
            expression: None,
            condition: self.condition.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PRIMARY_KEY: Definition = Definition::primary_key(c"t", c"t_pkey", &[Column::new("id", 2, Of::Uuid)]);
    static INDEX: Definition = Definition::index(
        c"t",
        c"t_idx",
        &[Column::new("owner", 1, Of::Word), Column::new("id NULLS FIRST", 2, Of::Uuid).with_nulls_first()],
    )
    .on_rows_where("period = 'hour'");

    fn fault_with(definition: &Definition, change: impl FnOnce(&mut Found)) -> Option<Fault> {
        let mut found = definition.found();
        change(&mut found);
        definition.fault(&found)
    }

    #[test]
    fn an_index_as_it_was_made_has_no_fault_however_its_condition_is_shown() {
        assert_eq!(PRIMARY_KEY.fault(&PRIMARY_KEY.found()), None);
        assert_eq!(fault_with(&INDEX, |found| found.condition = Some("(period = 'hour'::text)".into())), None);
        assert_eq!(fault_with(&INDEX, |found| found.is_unique = true), None);
    }

    #[test]
    fn every_difference_is_a_fault() {
        assert_eq!(fault_with(&INDEX, |found| found.is_btree = false), Some(Fault::Method));
        assert_eq!(fault_with(&INDEX, |found| found.key.truncate(1)), Some(Fault::Key));
        assert_eq!(fault_with(&INDEX, |found| found.key.reverse()), Some(Fault::Key));
        assert_eq!(fault_with(&INDEX, |found| found.key[1].options = 0), Some(Fault::Key));
        assert_eq!(fault_with(&INDEX, |found| found.key[0].options = 1), Some(Fault::Key));
        let default = pg_sys::DEFAULT_COLLATION_OID;
        assert_eq!(fault_with(&INDEX, |found| found.key[0].collation = default), Some(Fault::Key));
        let pattern = pg_sys::TEXT_PATTERN_BTREE_FAM_OID;
        assert_eq!(fault_with(&INDEX, |found| found.key[0].family = pattern), Some(Fault::Key));
        assert_eq!(fault_with(&INDEX, |found| found.key[1].input = pg_sys::TEXTOID), Some(Fault::Key));
        assert_eq!(fault_with(&INDEX, |found| found.expression = Some("lower(owner)".into())), Some(Fault::Key));
        assert_eq!(fault_with(&INDEX, |found| found.condition = None), Some(Fault::Condition));
        assert_eq!(fault_with(&INDEX, |found| found.condition = Some("period = 'day'".into())), Some(Fault::Condition));
        assert_eq!(fault_with(&PRIMARY_KEY, |found| found.condition = Some("x".into())), Some(Fault::Condition));
        assert_eq!(fault_with(&PRIMARY_KEY, |found| found.is_unique = false), Some(Fault::NotUnique));
        assert_eq!(fault_with(&PRIMARY_KEY, |found| found.is_immediate = false), Some(Fault::Deferrable));
        assert_eq!(fault_with(&PRIMARY_KEY, |found| found.is_complete = false), Some(Fault::Incomplete));
    }

    #[test]
    fn a_primary_key_that_is_none_any_more_is_still_read_by() {
        let found = Found { is_primary: false, ..PRIMARY_KEY.found() };
        assert!(PRIMARY_KEY.fault(&found).is_none() && PRIMARY_KEY.is_demoted(&found));
        assert!(!PRIMARY_KEY.is_demoted(&PRIMARY_KEY.found()) && !INDEX.is_demoted(&INDEX.found()));
    }

    #[test]
    fn a_remedy_is_the_statement_that_makes_the_index() {
        assert_eq!(
            PRIMARY_KEY.remedy(Fault::Missing),
            "Use ALTER TABLE tokenauth.t ADD CONSTRAINT t_pkey PRIMARY KEY (id)."
        );
        assert_eq!(
            INDEX.remedy(Fault::Key),
            "Drop it, and use CREATE INDEX t_idx ON tokenauth.t (owner, id NULLS FIRST) WHERE period = 'hour'."
        );
    }
}
