//! Places where code of one role runs in the session of another.

/// A place. In its SQL, `{t}` is a name of its own, under which the probe records; `{author}` the role that wrote the
/// code.
pub struct Place {
    /// Its name.
    pub name: &'static str,
    /// Makes it, as the author.
    pub make: &'static str,
    /// What only a superuser can do of that, and can take back.
    pub arm: &'static str,
    pub disarm: &'static str,
    /// Makes the code run.
    pub run: &'static str,
    /// Who can do that.
    pub sessions: Sessions,
    /// Whether it is a security-restricted operation.
    pub restricted: bool,
    /// Whether `run` may be a part of a transaction.
    pub in_transaction: bool,
}

/// Who can make the code of a place run.
pub enum Sessions {
    Any,
    Superuser,
    NoSuperuser,
}

impl Sessions {
    /// Whether a session of this role can.
    pub fn include(&self, session: &str) -> bool {
        match self {
            Sessions::Any => true,
            Sessions::Superuser => session == "postgres",
            Sessions::NoSuperuser => session != "postgres",
        }
    }
}

/// A place without its SQL.
const PLACE: Place = Place {
    name: "",
    make: "",
    arm: "",
    disarm: "",
    run: "",
    sessions: Sessions::Any,
    restricted: false,
    in_transaction: true,
};

/// A table with an index on an expression that calls the probe. PL/pgSQL lets no immutable function write, but what it
/// calls may.
const INDEXED: &str = "
    CREATE FUNCTION who.\"{t}_f\"(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM who.probe('{t}'); RETURN 1; END $$;
    CREATE TABLE who.\"{t}\" AS SELECT 1 AS n, 0 AS other;
    CREATE INDEX ON who.\"{t}\" (who.\"{t}_f\"(n))";

/// A bound table whose expression calls the probe.
const BOUND: &str = "
    CREATE TABLE who.\"{t}\" (id integer PRIMARY KEY);
    INSERT INTO who.\"{t}\" VALUES (1)";
const BIND: &str = "SELECT tokenauth.bind_principals('who.\"{t}\"', '{t}', 'id::text', active => 'who.probe(''{t}'')')";
const UNBIND: &str = "SELECT tokenauth.unbind_principals('who.\"{t}\"')";

/// A trigger function that calls the probe.
macro_rules! with_trigger_function {
    ($sql:literal) => {
        concat!(
            "CREATE FUNCTION who.\"{t}_f\"() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM who.probe('{t}'); RETURN coalesce(NEW, OLD); END $$;",
            $sql
        )
    };
}

/// All places, but for autovacuum, which has a test of its own.
pub const PLACES: [Place; 19] = [
    Place { name: "analyze", make: INDEXED, run: "ANALYZE who.\"{t}\"", ..RESTRICTED },
    Place { name: "reindex", make: INDEXED, run: "REINDEX TABLE who.\"{t}\"", ..RESTRICTED },
    Place { name: "vacuum", make: INDEXED, run: "VACUUM (FULL) who.\"{t}\"", in_transaction: false, ..RESTRICTED },
    Place { name: "create_index", make: INDEXED, run: "CREATE INDEX ON who.\"{t}\" (who.\"{t}_f\"(n))", ..RESTRICTED },
    Place {
        name: "refresh",
        make: "CREATE MATERIALIZED VIEW who.\"{t}\" AS SELECT who.probe('{t}') WITH NO DATA",
        run: "REFRESH MATERIALIZED VIEW who.\"{t}\"",
        ..RESTRICTED
    },
    Place { name: "sync", make: BOUND, arm: BIND, disarm: UNBIND, run: SYNC, in_transaction: false, ..RESTRICTED },
    Place { name: "doctor", make: BOUND, arm: BIND, disarm: UNBIND, run: DOCTOR, in_transaction: false, ..RESTRICTED },
    Place { name: "bind", make: BOUND, disarm: UNBIND, run: BIND, in_transaction: false, ..RESTRICTED },
    Place {
        name: "definer",
        make: "CREATE FUNCTION who.\"{t}\"() RETURNS boolean LANGUAGE sql SECURITY DEFINER
                    AS $$SELECT who.probe('{t}')$$",
        run: "SELECT who.\"{t}\"()",
        ..PLACE
    },
    Place {
        name: "view",
        make: "CREATE VIEW who.\"{t}\" AS SELECT who.probe('{t}'); GRANT SELECT ON who.\"{t}\" TO PUBLIC",
        run: "SELECT * FROM who.\"{t}\"",
        ..PLACE
    },
    Place {
        name: "rule",
        make: "CREATE TABLE who.\"{t}\" (n integer); GRANT INSERT ON who.\"{t}\" TO PUBLIC;
               CREATE RULE probe AS ON INSERT TO who.\"{t}\" DO ALSO SELECT who.probe('{t}')",
        run: "INSERT INTO who.\"{t}\" VALUES (1)",
        ..PLACE
    },
    Place {
        name: "policy",
        make: "CREATE TABLE who.\"{t}\" AS SELECT 1 AS n; GRANT SELECT ON who.\"{t}\" TO PUBLIC;
               ALTER TABLE who.\"{t}\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
               CREATE POLICY probe ON who.\"{t}\" USING (who.probe('{t}'))",
        run: "SELECT * FROM who.\"{t}\"",
        sessions: Sessions::NoSuperuser,
        ..PLACE
    },
    Place {
        name: "check",
        make: "CREATE TABLE who.\"{t}\" (n integer CHECK (who.probe('{t}'))); GRANT INSERT ON who.\"{t}\" TO PUBLIC",
        run: "INSERT INTO who.\"{t}\" VALUES (1)",
        ..PLACE
    },
    Place {
        name: "cast",
        make: "CREATE TYPE who.\"{t}\" AS (n integer);
               CREATE FUNCTION who.\"{t}_f\"(who.\"{t}\") RETURNS boolean LANGUAGE sql AS $$SELECT who.probe('{t}')$$;
               CREATE CAST (who.\"{t}\" AS boolean) WITH FUNCTION who.\"{t}_f\"",
        run: "SELECT CAST(ROW(1)::who.\"{t}\" AS boolean)",
        ..PLACE
    },
    Place {
        name: "cursor",
        run: "BEGIN; DECLARE probe CURSOR FOR SELECT who.probe('{t}');
              SET LOCAL ROLE \"{author}\"; FETCH probe; COMMIT",
        sessions: Sessions::Superuser,
        ..PLACE
    },
    Place {
        name: "deferred",
        make: with_trigger_function!(
            "CREATE TABLE who.\"{t}\" (n integer); GRANT INSERT ON who.\"{t}\" TO PUBLIC;
             CREATE CONSTRAINT TRIGGER probe AFTER INSERT ON who.\"{t}\" DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION who.\"{t}_f\"()"
        ),
        run: "INSERT INTO who.\"{t}\" VALUES (1)",
        ..PLACE
    },
    Place {
        name: "deferred_role",
        make: with_trigger_function!(
            "CREATE TABLE who.\"{t}\" (n integer);
             CREATE CONSTRAINT TRIGGER probe AFTER INSERT ON who.\"{t}\" DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION who.\"{t}_f\"()"
        ),
        run: "BEGIN; INSERT INTO who.\"{t}\" VALUES (1); SET LOCAL ROLE \"{author}\"; COMMIT",
        sessions: Sessions::Superuser,
        ..PLACE
    },
    Place {
        name: "referential",
        make: with_trigger_function!(
            "CREATE TABLE who.\"{t}_parent\" AS SELECT n FROM generate_series(1, 9) n;
             ALTER TABLE who.\"{t}_parent\" ADD PRIMARY KEY (n);
             GRANT SELECT, DELETE ON who.\"{t}_parent\" TO PUBLIC;
             CREATE TABLE who.\"{t}\" (n integer REFERENCES who.\"{t}_parent\" ON DELETE CASCADE);
             INSERT INTO who.\"{t}\" SELECT n FROM generate_series(1, 9) n;
             CREATE TRIGGER probe BEFORE DELETE ON who.\"{t}\" FOR EACH ROW EXECUTE FUNCTION who.\"{t}_f\"()"
        ),
        run: "DELETE FROM who.\"{t}_parent\" WHERE n = (SELECT min(n) FROM who.\"{t}_parent\")",
        ..PLACE
    },
    Place {
        name: "event_trigger",
        make: "CREATE FUNCTION who.\"{t}_f\"() RETURNS event_trigger LANGUAGE plpgsql AS
                   $$ BEGIN PERFORM who.probe('{t}'); END $$",
        arm: "CREATE EVENT TRIGGER \"{t}\" ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
                  EXECUTE FUNCTION who.\"{t}_f\"()",
        disarm: "DROP EVENT TRIGGER \"{t}\"",
        run: "CREATE TABLE who.\"{t}\" (); DROP TABLE who.\"{t}\"",
        ..PLACE
    },
];

/// A place that is a security-restricted operation.
const RESTRICTED: Place = Place { sessions: Sessions::Superuser, restricted: true, ..PLACE };

const SYNC: &str = "SELECT tokenauth.sync_principals('who.\"{t}\"')";
const DOCTOR: &str = "SELECT tokenauth.doctor()";
