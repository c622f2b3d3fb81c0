-- The triggers of kind: checks beyond what a CHECK can express, and the events of changes.
CREATE TRIGGER guard
    BEFORE INSERT OR UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.guard_kind();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER guard;

COMMENT ON TRIGGER guard ON tokenauth.kind IS 'Checks scopes and types, and refuses changes that tokens depend on';

-- TRUNCATE deletes every kind. AFTER, so that the tokens may go in the same statement.
CREATE TRIGGER guard_truncate
    AFTER TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_kind();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER guard_truncate;

COMMENT ON TRIGGER guard_truncate ON tokenauth.kind IS 'Refuses to remove kinds that have tokens';

CREATE TRIGGER record
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.record_kind();

COMMENT ON TRIGGER record ON tokenauth.kind IS 'Records the change as an event';

-- BEFORE, while the kinds are still there to be recorded.
CREATE TRIGGER record_truncate
    BEFORE TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.record_kind();

COMMENT ON TRIGGER record_truncate ON tokenauth.kind IS 'Records each removed kind as an event';

-- Events are append-only, even for the extension's owner.
CREATE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON tokenauth.event
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.refuse_change();

ALTER TABLE tokenauth.event ENABLE ALWAYS TRIGGER append_only;

COMMENT ON TRIGGER append_only ON tokenauth.event IS 'Refuses every change of history';

-- Backends remember what verification reads; these triggers make them forget. BEFORE, so that functions called by the
-- statement remember no rows that vanish if it fails. Statement triggers, so that a mass change costs one message;
-- logical apply does not fire those, so it has row triggers of its own.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.principal
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.token
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.import
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_apply
    AFTER UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_apply
    AFTER UPDATE OR DELETE ON tokenauth.principal
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_apply
    AFTER UPDATE OR DELETE ON tokenauth.token
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();
-- Backends also remember that there are no imports, so here a new row is a change as well.
CREATE TRIGGER signal_apply
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.import
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER signal, ENABLE REPLICA TRIGGER signal_apply;
ALTER TABLE tokenauth.principal ENABLE ALWAYS TRIGGER signal, ENABLE REPLICA TRIGGER signal_apply;
ALTER TABLE tokenauth.token ENABLE ALWAYS TRIGGER signal, ENABLE REPLICA TRIGGER signal_apply;
ALTER TABLE tokenauth.import ENABLE ALWAYS TRIGGER signal, ENABLE REPLICA TRIGGER signal_apply;

COMMENT ON TRIGGER signal ON tokenauth.kind IS 'Makes every backend forget what it remembers';
COMMENT ON TRIGGER signal ON tokenauth.principal IS 'Makes every backend forget what it remembers';
COMMENT ON TRIGGER signal ON tokenauth.token IS 'Makes every backend forget what it remembers';
COMMENT ON TRIGGER signal ON tokenauth.import IS 'Makes every backend forget what it remembers';
COMMENT ON TRIGGER signal_apply ON tokenauth.kind IS 'The same for logical apply';
COMMENT ON TRIGGER signal_apply ON tokenauth.principal IS 'The same for logical apply';
COMMENT ON TRIGGER signal_apply ON tokenauth.token IS 'The same for logical apply';
COMMENT ON TRIGGER signal_apply ON tokenauth.import IS 'The same for logical apply';
