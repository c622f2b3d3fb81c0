-- An administrator may add constraints to the tables of the extension. What they refuse is told by its names: never by the row, whose
-- digest is as good as the token to whoever may verify.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_clerk;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_clerk;
SELECT tokenauth.grant_access('regress_tokenauth_clerk', 'manage');
INSERT INTO tokenauth.kind (name, prefix, derivable) VALUES ('key', 'key_', true);
SELECT count(tokenauth.put_principal(p, '{devices:read}')) FROM unnest('{user:1,user:2,org:acme}'::text[]) p;
SELECT id, token FROM tokenauth.issue('key', 'user:1', 'laptop') \gset
SELECT tokenauth.derive(:'token') AS child \gset

-- Everything that PostgreSQL tells of an error, as a function of the caller sees it.
CREATE TABLE told (n int GENERATED ALWAYS AS IDENTITY, state text, on_table text, col text, named text, detail text, hint text, other text);
CREATE FUNCTION try(statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t told;
    message text;
    context text;
BEGIN
    EXECUTE statement;
    RAISE 'nothing has refused it';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS t.state = RETURNED_SQLSTATE, t.on_table = TABLE_NAME, t.col = COLUMN_NAME, t.named = CONSTRAINT_NAME,
                            t.detail = PG_EXCEPTION_DETAIL, t.hint = PG_EXCEPTION_HINT, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
    INSERT INTO told (state, on_table, col, named, detail, hint, other) VALUES (t.state, t.on_table, t.col, t.named, t.detail, t.hint, message || context);
END $$;
GRANT INSERT ON told TO regress_tokenauth_clerk;
CREATE FUNCTION told() RETURNS TABLE (state text, on_table text, col text, named text, detail text, hint text) LANGUAGE sql AS $$
    SELECT state, on_table, nullif(col, ''), nullif(named, ''), detail, nullif(hint, '') FROM told ORDER BY n
$$;

-- rows of tokens
ALTER TABLE tokenauth.token ADD CONSTRAINT token_is_no_server CHECK (name <> 'server') NOT VALID;
SET ROLE regress_tokenauth_clerk;
SELECT tokenauth.edit(:'id', name => 'server');
SELECT try(format('SELECT tokenauth.edit(%L, name => ''server'')', :'id'));
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'', ''server'')');
SELECT try($$SELECT tokenauth.import('key', 'user:1', encode(sha256('old secret'), 'hex'), 'sha256', name => 'server')$$);
RESET ROLE;
ALTER TABLE tokenauth.token DROP CONSTRAINT token_is_no_server;

-- … written by a statement, which has a column that the extension does not know, of a domain
CREATE DOMAIN short AS text CHECK (length(value) < 3);
ALTER TABLE tokenauth.token ADD COLUMN site short DEFAULT 'n';
ALTER TABLE tokenauth.token ALTER COLUMN site SET NOT NULL, ALTER COLUMN site DROP DEFAULT;
SET ROLE regress_tokenauth_clerk;
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'')');
RESET ROLE;
ALTER TABLE tokenauth.token DROP COLUMN site;
DROP DOMAIN short;

-- keys that are taken
CREATE UNIQUE INDEX token_once ON tokenauth.token (owner, (length(digest)));
SET ROLE regress_tokenauth_clerk;
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'')');
RESET ROLE;
DROP INDEX tokenauth.token_once;
ALTER TABLE tokenauth.token ADD CONSTRAINT token_alone EXCLUDE (owner WITH =);
SET ROLE regress_tokenauth_clerk;
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'')');
RESET ROLE;
ALTER TABLE tokenauth.token DROP CONSTRAINT token_alone;

-- references, to a table of the extension and from it
CREATE UNIQUE INDEX token_digest ON tokenauth.token (digest);
CREATE TABLE noted (digest bytea REFERENCES tokenauth.token (digest));
INSERT INTO noted SELECT digest FROM tokenauth.token WHERE id = :'id';
SELECT tokenauth.revoke(:'id');
SELECT try('SELECT tokenauth.purge(''0'')');
DROP TABLE noted;
DROP INDEX tokenauth.token_digest;
CREATE TABLE known (owner text COLLATE "C" PRIMARY KEY);
ALTER TABLE tokenauth.token ADD CONSTRAINT token_of_known FOREIGN KEY (owner) REFERENCES known NOT VALID;
SET ROLE regress_tokenauth_clerk;
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'')');
RESET ROLE;
ALTER TABLE tokenauth.token DROP CONSTRAINT token_of_known;
DROP TABLE known;

-- other tables
ALTER TABLE tokenauth.event ADD CONSTRAINT event_by_nobody CHECK (event NOT LIKE 'principal.%') NOT VALID;
ALTER TABLE tokenauth.usage ADD CONSTRAINT usage_counted CHECK (request_count > 0) NOT VALID;
ALTER TABLE tokenauth.member ADD CONSTRAINT member_is_org CHECK (member LIKE 'org:%');
ALTER TABLE tokenauth.mass_death ADD CONSTRAINT death_has_reason CHECK (reason IS NOT NULL);
ALTER TABLE tokenauth.derived_death ADD CONSTRAINT death_of_none CHECK (digest IS NULL);
SET ROLE regress_tokenauth_clerk;
SELECT try('SELECT tokenauth.put_principal(''user:1'', ''{devices:write}'')');
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'')');
SELECT try('SELECT tokenauth.add_member(''org:acme'', ''user:1'')');
SELECT try('SELECT tokenauth.revoke_all(''user:1'')');
RESET ROLE;
ALTER TABLE tokenauth.usage DROP CONSTRAINT usage_counted;
SELECT tokenauth.derive(token) AS child FROM tokenauth.issue('key', 'user:1') \gset
SET ROLE regress_tokenauth_clerk;
SELECT try(format('SELECT tokenauth.revoke_presented(%L)', :'child'));
RESET ROLE;
ALTER TABLE tokenauth.event DROP CONSTRAINT event_by_nobody;
ALTER TABLE tokenauth.member DROP CONSTRAINT member_is_org;
ALTER TABLE tokenauth.mass_death DROP CONSTRAINT death_has_reason;
ALTER TABLE tokenauth.derived_death DROP CONSTRAINT death_of_none;

-- a bound row that a principal's constraint refuses
ALTER TABLE tokenauth.principal ADD CONSTRAINT principal_is_named CHECK (display_name <> 'nobody');
CREATE TABLE users (id int PRIMARY KEY, name text);
SELECT tokenauth.bind_principals('users', 'staff', 'id::text', display_name => 'name');
GRANT ALL ON users TO regress_tokenauth_clerk;
SET ROLE regress_tokenauth_clerk;
SELECT try('INSERT INTO users VALUES (1, ''nobody'')');
RESET ROLE;
DROP TABLE users;
ALTER TABLE tokenauth.principal DROP CONSTRAINT principal_is_named;
SELECT * FROM told();
SELECT count(*) FROM told, tokenauth.token t WHERE position(left(encode(t.digest, 'hex'), 16) IN concat(told.detail, told.hint, told.other)) > 0;
TRUNCATE told;

-- what an administrator's own trigger says, and what it does to tables of its own, is told as it is
CREATE TABLE journal (event text CHECK (event <> 'token.issued'));
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.event = 'token.edited' THEN
        RAISE check_violation USING DETAIL = 'It is Sunday.';
    END IF;
    INSERT INTO public.journal VALUES (new.event);
    RETURN new;
END $$;
CREATE TRIGGER note BEFORE INSERT ON tokenauth.event FOR EACH ROW EXECUTE FUNCTION note();
GRANT INSERT ON journal TO PUBLIC;
SELECT try('SELECT tokenauth.issue(''key'', ''user:1'')');
SELECT id FROM tokenauth.token ORDER BY id DESC LIMIT 1 \gset
SELECT try(format('SELECT tokenauth.edit(%L, name => ''desktop'')', :'id'));
DROP TRIGGER note ON tokenauth.event;

-- … and whoever may read a table sees its rows
ALTER TABLE tokenauth.principal ADD CONSTRAINT principal_short CHECK (length(principal) < 10);
SELECT try('INSERT INTO tokenauth.principal (principal, created_at) VALUES (''user:1234567890'', ''2026-01-01 00:00+00'')');
SELECT state, on_table, named, left(detail, 38) AS detail FROM told();

DROP EXTENSION tokenauth;
DROP OWNED BY regress_tokenauth_clerk;
DROP ROLE regress_tokenauth_clerk;
DROP TABLE told, journal;
DROP FUNCTION told, try, note;
