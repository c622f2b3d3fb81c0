CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
SELECT tokenauth.put_principal('user:1', permissions => '{devices:read}');
SELECT tokenauth.put_principal('org:acme');

CREATE SCHEMA who;
GRANT USAGE, CREATE ON SCHEMA who TO PUBLIC;
CREATE TABLE who.call (position serial, name text, call text);
CREATE TABLE who.outcome (place text, ran_as text, function text, state text, message text);
GRANT SELECT ON who.call TO PUBLIC;
GRANT ALL ON who.outcome TO PUBLIC;

-- A table that every role owns, so that only access of ours decides who may bind it.
CREATE ROLE owners;
CREATE TABLE who.bound (id integer PRIMARY KEY, text text);
ALTER TABLE who.bound OWNER TO owners;
-- Whose access is granted and revoked.
CREATE ROLE target;

-- Calls every function, once in a transaction, takes back what it did, and records whether it was refused. Says so too to a
-- call that a call of its own has led to, as doctor() does.
CREATE FUNCTION who.probe(place text) RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
        called record;
        outcome text;
        told text;
    BEGIN
        IF current_setting('who.busy', true) = pg_catalog.txid_current()::text THEN
            RETURN true;
        END IF;
        PERFORM set_config('who.busy', pg_catalog.txid_current()::text, true);
        FOR called IN SELECT c.name, c.call FROM who.call c ORDER BY c.position LOOP
            BEGIN
                EXECUTE called.call;
                RAISE SQLSTATE 'OK000';
            EXCEPTION WHEN OTHERS THEN
                outcome := SQLSTATE;
                told := SQLERRM;
            END;
            INSERT INTO who.outcome VALUES (place, current_user, called.name, outcome, told);
        END LOOP;
        RETURN true;
    END $$;

-- Evaluates an expression that the transaction may have evaluated before, and returns how it ended.
CREATE FUNCTION who.keep(function text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE outcome text;
    BEGIN
        EXECUTE pg_catalog.format('SELECT who.%I()', 'kept_' || function) INTO outcome;
        RETURN outcome;
    END $$;
