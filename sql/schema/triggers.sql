-- The policies of kind: what a CHECK cannot say, and the events of their changes.
CREATE TRIGGER guard
    BEFORE INSERT OR UPDATE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.guard_kind();

COMMENT ON TRIGGER guard ON tokenauth.kind IS 'Checks scopes and types, and keeps what tokens depend on';

CREATE TRIGGER record
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.record_kind();

COMMENT ON TRIGGER record ON tokenauth.kind IS 'Records the change as an event';

-- History is append-only, for the extension's owner too.
CREATE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON tokenauth.event
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.refuse_change();

COMMENT ON TRIGGER append_only ON tokenauth.event IS 'Refuses every change of history';
