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

-- Backends cache what verification reads; these triggers tell them what to drop. BEFORE the statement, so that functions
-- that it calls cache no rows that vanish if it fails. ALWAYS, since logical apply fires row triggers only, and a restore
-- may have switched to the role of a replica.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_row
    AFTER UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();

-- Of principals and tokens, millions may change at once. A changed row is told by the condition of a row trigger, which
-- is asked right after the change and answers false: the trigger itself, which would be queued for each row, fires only for
-- what was changed by hand.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.principal
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
-- Of a new row nobody caches anything; but one that was written by hand may not know of the deaths of its tokens, and one
-- that knows of some may be the only one that does.
CREATE TRIGGER signal_insert
    AFTER INSERT ON tokenauth.principal
    FOR EACH ROW WHEN (NEW.all_dead_before_epoch > 0 OR tokenauth.signal_principal('', NEW.principal))
    EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_update
    AFTER UPDATE ON tokenauth.principal
    FOR EACH ROW WHEN (tokenauth.signal_principal(OLD.principal, NEW.principal)) EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_delete
    AFTER DELETE ON tokenauth.principal
    FOR EACH ROW WHEN (tokenauth.signal_principal(OLD.principal, OLD.principal)) EXECUTE FUNCTION tokenauth.signal_change();
-- By hand TRUNCATE removes what died with it, too. AFTER, when only those tokens are left that outlast it.
CREATE TRIGGER signal_truncate
    AFTER TRUNCATE ON tokenauth.principal
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();

CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.token
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_update
    AFTER UPDATE ON tokenauth.token
    FOR EACH ROW WHEN (tokenauth.signal_token(OLD.lookup, NEW.lookup)) EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_delete
    AFTER DELETE ON tokenauth.token
    FOR EACH ROW WHEN (tokenauth.signal_token(OLD.lookup, OLD.lookup)) EXECUTE FUNCTION tokenauth.signal_change();

-- Backends also cache that there are no imports, so here a new row is a change as well. There are few rows.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.import
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_apply
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.import
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();

-- That there are no such deaths is cached as well. A single one is told as a change of its parent, from which the child
-- is cached.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.derived_death
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_derived_death();
CREATE TRIGGER signal_row
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.derived_death
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_derived_death();

-- Only while a subscription applies it.
CREATE TRIGGER follow
    BEFORE INSERT OR UPDATE OR DELETE ON tokenauth.heartbeat
    FOR EACH ROW EXECUTE FUNCTION tokenauth.follow_beats();
CREATE TRIGGER follow_truncate
    AFTER TRUNCATE ON tokenauth.heartbeat
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.follow_beats();
CREATE TRIGGER follow
    AFTER DELETE ON tokenauth.change
    FOR EACH ROW EXECUTE FUNCTION tokenauth.follow_beats();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_row;
ALTER TABLE tokenauth.principal
    ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_insert, ENABLE ALWAYS TRIGGER signal_update,
    ENABLE ALWAYS TRIGGER signal_delete, ENABLE ALWAYS TRIGGER signal_truncate;
ALTER TABLE tokenauth.token
    ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_update, ENABLE ALWAYS TRIGGER signal_delete;
ALTER TABLE tokenauth.import ENABLE ALWAYS TRIGGER signal, ENABLE REPLICA TRIGGER signal_apply;
ALTER TABLE tokenauth.derived_death ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_row;
ALTER TABLE tokenauth.heartbeat ENABLE REPLICA TRIGGER follow, ENABLE REPLICA TRIGGER follow_truncate;
ALTER TABLE tokenauth.change ENABLE REPLICA TRIGGER follow;

COMMENT ON TRIGGER signal ON tokenauth.kind IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal ON tokenauth.principal IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal ON tokenauth.token IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal ON tokenauth.import IS 'Makes every backend drop what it caches';
COMMENT ON TRIGGER signal ON tokenauth.derived_death IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal_row ON tokenauth.derived_death IS 'Makes every backend drop what it caches of a revoked child and its parent';
COMMENT ON TRIGGER follow ON tokenauth.heartbeat IS 'Believes no beat once this reader lacks something that the primary has changed';
COMMENT ON TRIGGER follow_truncate ON tokenauth.heartbeat IS 'The same when somebody has emptied the table on the primary';
COMMENT ON TRIGGER follow ON tokenauth.change IS 'Counts what a beat removes';
COMMENT ON TRIGGER signal_apply ON tokenauth.import IS 'The same for logical apply';
COMMENT ON TRIGGER signal_row ON tokenauth.kind IS 'Makes every backend drop what it caches of a changed kind and its tokens';
COMMENT ON TRIGGER signal_insert ON tokenauth.principal IS 'Has a row that was written by hand know of the deaths of its tokens';
COMMENT ON TRIGGER signal_truncate ON tokenauth.principal IS 'Remembers that all tokens have died whose owners somebody has removed';
COMMENT ON TRIGGER signal_update ON tokenauth.principal IS 'Makes every backend drop what it caches of a changed row';
COMMENT ON TRIGGER signal_update ON tokenauth.token IS 'Makes every backend drop what it caches of a changed row';
COMMENT ON TRIGGER signal_delete ON tokenauth.principal IS 'Makes every backend drop what it caches of a removed row';
COMMENT ON TRIGGER signal_delete ON tokenauth.token IS 'Makes every backend drop what it caches of a removed row';

-- Of these backends cache nothing, and a reader writes them as little as the others.
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.member
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.mass_death
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.key
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.heartbeat
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.change
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.usage_batch
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT ON tokenauth.event
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();

ALTER TABLE tokenauth.member ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.mass_death ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.key ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.heartbeat ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.change ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.usage_batch ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.event ENABLE ALWAYS TRIGGER guard_copied;

COMMENT ON TRIGGER guard_copied ON tokenauth.member IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.mass_death IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.key IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.heartbeat IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.change IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.usage_batch IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.event IS 'Refuses on a reader to record what it does not do';
