//! The table to bind: its names, and whether it can be bound.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::obstacle::Obstacle;
use crate::error::{ArgumentError, Error, TableError};
use crate::pg::roles::citus;
use crate::pg::scan::relation::{Out, Table};
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;

/// A table of the application.
pub struct Source {
    pub table: Table,
    /// Its name with its schema, quoted.
    pub qualified: Text,
    /// Its name alone, quoted; for a partition that of its root, for which expressions are written.
    pub alias: Text,
    /// What keeps it from being bound.
    pub obstacle: Option<Obstacle>,
}

impl Source {
    /// Looks up a table.
    ///
    /// # Errors
    /// 42P01 when it does not exist.
    pub fn of(table: Table) -> Result<Self, TableError> {
        static DESCRIBE: Statement = Statement::new(
            "SELECT format('%I.%I', n.nspname, c.relname), quote_ident(r.relname),
                    CASE WHEN c.relkind NOT IN ('r', 'p') THEN 'kind'
                         WHEN n.nspname = 'tokenauth' THEN 'ours'
                         WHEN c.relpersistence = 't' THEN 'temporary'
                         WHEN c.relispartition THEN 'partition'
                         WHEN c.relpersistence = 'u' THEN 'unlogged'
                         WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) THEN 'child'
                         WHEN c.relkind = 'r'
                              AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) THEN 'parent'
                         WHEN c.relkind = 'p'
                         THEN (SELECT min(CASE WHEN s.relkind = 'f' THEN 'foreign partition'
                                               WHEN s.relpersistence = 'u' THEN 'unlogged partition' END)
                                 FROM pg_partition_tree(c.oid) t JOIN pg_class s ON s.oid = t.relid) END
               FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
              WHERE c.oid = $1",
        );
        DESCRIBE
            .first(arguments![table.oid()], |row| Source {
                table,
                qualified: row.required(1),
                alias: row.required(2),
                obstacle: row.bytes(3).map(Obstacle::parse),
            })
            .map(|source| Source {
                obstacle: source.obstacle.or_else(|| citus::has(table.oid()).then_some(Obstacle::Citus)),
                ..source
            })
            .ok_or(TableError::NotFound)
    }

    /// Looks up the table that a trigger binds: for one that a partition has from its root, the root.
    ///
    /// # Errors
    /// 42P01 when it does not exist.
    pub fn bound_by(trigger: pg_sys::Oid) -> Result<Self, TableError> {
        static ROOT: Statement = Statement::new(
            "WITH RECURSIVE up AS (
                 SELECT tgrelid, tgparentid FROM pg_trigger WHERE oid = $1
                 UNION ALL
                 SELECT t.tgrelid, t.tgparentid FROM up JOIN pg_trigger t ON t.oid = up.tgparentid)
             SELECT tgrelid FROM up WHERE tgparentid = 0",
        );
        Self::of(ROOT.first(arguments![trigger], |row| Table::of(row.required(1))).ok_or(TableError::NotFound)?)
    }

    /// The SELECT of all columns of `rows` of this table. Where they have no value of a column, since PostgreSQL
    /// computes it whenever the table is read, it is computed here.
    pub fn select_from(&self, rows: &Rows) -> Vec<u8> {
        static COMPUTED: Statement = Statement::new(
            "SELECT string_agg(CASE WHEN a.attgenerated = 'v'
                                    THEN format('CAST((%s) AS %s)%s AS %I', pg_get_expr(d.adbin, d.adrelid),
                                                format_type(a.atttypid, a.atttypmod),
                                                (SELECT format(' COLLATE %I.%I', s.nspname, c.collname)
                                                   FROM pg_collation c JOIN pg_namespace s ON s.oid = c.collnamespace
                                                  WHERE c.oid = a.attcollation),
                                                a.attname)
                                    ELSE quote_ident(a.attname) END, ', ' ORDER BY a.attnum)
               FROM pg_attribute a
               LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
             HAVING bool_or(a.attgenerated = 'v')",
        );
        let computed: Option<Text> = COMPUTED.first(arguments![self.table.oid()], |row| row.required(1));
        match computed {
            None => [b"SELECT * FROM ", rows.name()].concat(),
            // The one system column that such an expression may read is not in the rows.
            Some(columns) => [
                b"SELECT ",
                columns.as_bytes(),
                format!(" FROM (SELECT *, {}::oid AS tableoid FROM ", self.table.oid().to_u32()).as_bytes(),
                rows.name(),
                b") AS \"tokenauth rows\"",
            ]
            .concat(),
        }
    }

    /// Looks up a table whose trigger has fired.
    ///
    /// # Errors
    /// 42P01 when it does not exist, 0A000 for one that Citus has taken over since it was bound.
    pub fn fired(table: Table) -> Result<Self, TableError> {
        let source = Self::of(table)?;
        match source.obstacle {
            Some(why @ Obstacle::Citus) => {
                Err(TableError::CannotBind { table: source.qualified.shown(), why: why.why() })
            }
            _ => Ok(source),
        }
    }

    /// Looks up a table that the current user owns and that can be bound, and locks it against those whom `out` names.
    ///
    /// # Errors
    /// As [`owned`](Self::owned), and 0A000 for a table that cannot be bound.
    pub fn bindable(
        table: Option<Table>,
        command: &'static CStr,
        out: impl FnOnce(&Self) -> Out,
    ) -> Result<Self, Error> {
        let source = Self::owned(table, command, out)?;
        match source.obstacle {
            Some(obstacle) => {
                Err(TableError::CannotBind { table: source.qualified.shown(), why: obstacle.why() }.into())
            }
            None => Ok(source),
        }
    }

    /// Looks up a table that the current user owns, and locks it against those whom `out` names.
    ///
    /// # Errors
    /// 22004 for NULL, 42P01 when it does not exist, 42501 for anybody but its owner, 25006, naming `command`, in a
    /// read-only transaction.
    pub fn owned(table: Option<Table>, command: &'static CStr, out: impl FnOnce(&Self) -> Out) -> Result<Self, Error> {
        let table = table.ok_or(ArgumentError::Absent("source"))?;
        let source = Self::of_owner(table)?;
        // Neither can be bound or has triggers of ours, so there is nothing to wait for.
        if matches!(source.obstacle, Some(Obstacle::Kind | Obstacle::Ours)) {
            return Ok(source);
        }
        // Checked before taking the lock, which on a standby would be refused as too strong.
        xact::refuse_read_only(command);
        source.lock(out(&source));
        // The table may have changed during the wait for the lock.
        Ok(Self::of_owner(table)?)
    }

    /// Looks up a table that the current user owns.
    ///
    /// # Errors
    /// 42P01 when it does not exist, 42501 for anybody but its owner.
    fn of_owner(table: Table) -> Result<Self, TableError> {
        static MAY_BIND: Statement =
            Statement::new("SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = $1");
        let source = Self::of(table)?;
        if MAY_BIND.first(arguments![table.oid()], |row| row.required(1)).unwrap_or(false) {
            Ok(source)
        } else {
            Err(TableError::NotOwner(source.qualified.shown()))
        }
    }

    /// Locks the table and its partitions: writers to a partition lock only that.
    fn lock(&self, out: Out) {
        static PARTITIONS: Statement =
            Statement::new("SELECT relid FROM pg_partition_tree($1) WHERE relid <> $1 ORDER BY relid");
        self.table.lock(out);
        for partition in PARTITIONS.all(arguments![self.table], |row| row.required::<Table>(1)) {
            partition.lock(out);
        }
    }
}
