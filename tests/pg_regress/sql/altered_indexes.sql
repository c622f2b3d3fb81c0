-- Rows are found by indexes of the extension, which the owner of the tables can drop and make again: another index of the same name is
-- never taken for the one that was installed. Where rows can be reached otherwise, calls take longer; where not, they fail and say why.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('key', 'key_', 'suspend');
SELECT count(tokenauth.put_principal('user:' || n, '{devices:read}')) FROM generate_series(1, 3) n;
CREATE TABLE held AS
SELECT n, i.token, i.id, i.owner FROM generate_series(1, 30) n, LATERAL tokenauth.issue('key', 'user:' || CASE n WHEN 28 THEN 2 WHEN 29 THEN 3 ELSE 1 END) i;
SELECT tokenauth.deactivate('user:3');

CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', state, message, detail, hint);
END $$;

-- What calls answer while an index is another one, and what doctor() finds; then everything is as it was.
CREATE FUNCTION answers(name text, made text) RETURNS TABLE (what text, answer text) LANGUAGE plpgsql AS $$
DECLARE
    answers text[];
BEGIN
    BEGIN
        IF EXISTS (SELECT FROM pg_constraint c WHERE c.conname = name AND c.connamespace = 'tokenauth'::regnamespace) THEN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', (SELECT conrelid::regclass FROM pg_constraint c WHERE c.conname = name), name);
        ELSE
            EXECUTE format('DROP INDEX tokenauth.%I', name);
        END IF;
        EXECUTE made;
        answers := ARRAY[
            'verify', outcome('SELECT verdict FROM held, tokenauth.verify(token) WHERE n = 1'),
            'issue', outcome('SELECT owner FROM tokenauth.issue(''key'', ''user:1'')'),
            'list', outcome('SELECT count(*) FROM tokenauth.list()'),
            'list of an owner', outcome('SELECT array_agg(n ORDER BY ordinality) FROM tokenauth.list(owner => ''user:1'', page_size => 8) WITH ORDINALITY l LEFT JOIN held h ON h.id = l.id'),
            'list of suspended', outcome('SELECT count(*) FROM tokenauth.list(status => ''suspended'')'),
            'doctor', outcome('SELECT string_agg(concat_ws('' / '', object, finding, hint), ''; '') FROM tokenauth.doctor() WHERE area = ''schema''')];
        RAISE SQLSTATE 'UE001';
    EXCEPTION WHEN SQLSTATE 'UE001' THEN
        NULL;
    END;
    RETURN QUERY SELECT answers[n], answers[n + 1] FROM generate_series(1, array_length(answers, 1), 2) n;
END $$;

-- as installed there is nothing to tell
SELECT * FROM tokenauth.doctor() WHERE area = 'schema';

-- without the indexes of owners, lists of an owner pass over the tokens of all
SELECT * FROM answers('token_owner_id_idx', 'SELECT');
SELECT * FROM answers('token_owner_idx', 'SELECT');
SELECT * FROM answers('principal_stopping_idx', 'SELECT');

-- … and with others of their names, whatever these are
SELECT made, count(*) FILTER (WHERE what = 'list of an owner' AND answer = '{NULL,30,27,26,25,24,23,22}') AS right,
       max(answer) FILTER (WHERE what = 'issue') AS issue, max(split_part(answer, ' / ', 2)) FILTER (WHERE what = 'doctor') AS finding
  FROM (VALUES (1, 'token_owner_id_idx', 'ON tokenauth.token (id, owner) WHERE crowded'),
               (2, 'token_owner_id_idx', 'ON tokenauth.token (owner, id)'),
               (3, 'token_owner_id_idx', 'ON tokenauth.token (owner, id) WHERE NOT crowded'),
               (4, 'token_owner_id_idx', 'ON tokenauth.token (owner, id DESC) WHERE crowded'),
               (5, 'token_owner_id_idx', 'ON tokenauth.token (owner, id NULLS FIRST) WHERE crowded'),
               (6, 'token_owner_id_idx', 'ON tokenauth.token (owner text_pattern_ops, id) WHERE crowded'),
               (7, 'token_owner_id_idx', 'ON tokenauth.token (owner COLLATE "POSIX", id) WHERE crowded'),
               (8, 'token_owner_id_idx', 'ON tokenauth.token (lower(owner), id) WHERE crowded'),
               (9, 'token_owner_id_idx', 'ON tokenauth.token (owner) INCLUDE (id) WHERE crowded'),
               (10, 'token_owner_id_idx', 'ON tokenauth.token (owner, id, kind) WHERE crowded'),
               (11, 'token_owner_id_idx', 'ON tokenauth.token (kind, id) WHERE crowded'),
               (12, 'token_owner_id_idx', 'ON tokenauth.token USING hash (owner) WHERE crowded'),
               (13, 'token_owner_id_idx', 'ON tokenauth.usage (token_id, request_count)'),
               (14, 'token_owner_idx', 'ON tokenauth.token (owner)'),
               (15, 'token_owner_idx', 'ON tokenauth.token USING hash (owner)'),
               (16, 'token_owner_idx', 'ON tokenauth.token (lookup)'),
               (17, 'token_owner_idx', 'ON tokenauth.token (owner, crowded, dies_with_owner, owner_epoch) WHERE crowded'),
               -- what more is in its entries does no harm
               (18, 'token_owner_id_idx', 'ON tokenauth.token (owner, id) INCLUDE (kind) WHERE crowded')) v (n, name, made),
       LATERAL answers(name, format('CREATE INDEX %I %s', name, made))
 GROUP BY n, made ORDER BY n;
SELECT made, max(answer) FILTER (WHERE what = 'list of suspended') AS suspended, max(split_part(answer, ' / ', 2)) FILTER (WHERE what = 'doctor') AS finding
  FROM (VALUES (1, 'principal) WHERE active'), (2, 'principal) WHERE NOT active'), (3, 'created_at'), (4, 'principal) INCLUDE (active')) v (n, made),
       LATERAL answers('principal_stopping_idx', format('CREATE INDEX principal_stopping_idx ON tokenauth.principal (%s%s', made, CASE WHEN made LIKE '%WHERE%' THEN '' ELSE ')' END))
 GROUP BY n, made ORDER BY n;

-- without an index by which verification reads, it fails, and says how that is mended
SELECT * FROM answers('token_lookup_key', 'SELECT');
SELECT * FROM answers('kind_pkey', 'CREATE UNIQUE INDEX kind_pkey ON tokenauth.kind (name) WHERE NOT closed');
SELECT name, made, max(answer) FILTER (WHERE what = 'verify') AS verify, max(split_part(answer, ' / ', 2)) FILTER (WHERE what = 'doctor') AS finding
  FROM (VALUES (1, 'token_lookup_key', 'CREATE INDEX token_lookup_key ON tokenauth.token (lookup)'),
               (2, 'token_lookup_key', 'CREATE INDEX token_lookup_key ON tokenauth.token USING hash (lookup)'),
               (3, 'token_lookup_key', 'CREATE UNIQUE INDEX token_lookup_key ON tokenauth.token (id)'),
               (4, 'token_lookup_key', 'CREATE UNIQUE INDEX token_lookup_key ON tokenauth.token (lookup DESC)'),
               (5, 'token_lookup_key', 'CREATE UNIQUE INDEX token_lookup_key ON tokenauth.token ((lookup::numeric))'),
               (6, 'token_lookup_key', 'ALTER TABLE tokenauth.token ADD CONSTRAINT token_lookup_key UNIQUE (lookup) DEFERRABLE'),
               (7, 'token_lookup_key', 'ALTER TABLE tokenauth.token ADD CONSTRAINT token_lookup_key EXCLUDE (lookup WITH =)'),
               (8, 'token_lookup_key', 'CREATE UNIQUE INDEX token_lookup_key ON tokenauth.token (lookup)'),
               (9, 'principal_pkey', 'CREATE UNIQUE INDEX principal_pkey ON tokenauth.principal (principal COLLATE "POSIX")'),
               (10, 'principal_pkey', 'CREATE VIEW tokenauth.principal_pkey AS SELECT 1'),
               (11, 'principal_pkey', 'CREATE UNIQUE INDEX principal_pkey ON tokenauth.principal (principal)')) v (n, name, made),
       LATERAL answers(name, made)
 GROUP BY n, name, made ORDER BY n;

-- each is missed, and the hint makes it again
CREATE FUNCTION remedies() RETURNS TABLE (indexes bigint, missed bigint, mended bigint) LANGUAGE plpgsql AS $$
DECLARE
    index record;
    hint text;
BEGIN
    SELECT 0, 0, 0 INTO indexes, missed, mended;
    FOR index IN SELECT c.relname, i.indrelid::regclass AS on_table, EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = c.oid) AS is_of_constraint
                   FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
                  WHERE t.relnamespace = 'tokenauth'::regnamespace ORDER BY c.relname LOOP
        EXECUTE CASE WHEN index.is_of_constraint THEN format('ALTER TABLE %s DROP CONSTRAINT %I', index.on_table, index.relname)
                     ELSE format('DROP INDEX tokenauth.%I', index.relname) END;
        SELECT d.hint INTO hint FROM tokenauth.doctor() d WHERE d.object = 'index tokenauth.' || index.relname AND d.finding = 'is missing';
        indexes := indexes + 1;
        missed := missed + (hint IS NOT NULL)::int;
        EXECUTE substring(hint FROM 'Use (.*)\.$');
        mended := mended + (NOT EXISTS (SELECT FROM tokenauth.doctor() WHERE area = 'schema'))::int;
    END LOOP;
    RETURN NEXT;
END $$;
SELECT * FROM remedies();
SELECT verdict FROM held, tokenauth.verify(token) WHERE n = 1;

-- the command that builds one without locking the table leaves one that is not valid when it fails
ALTER TABLE tokenauth.token DROP CONSTRAINT token_lookup_key;
INSERT INTO tokenauth.token SELECT (r).* FROM (SELECT jsonb_populate_record(t, '{"id": "00000000-0000-0000-0000-000000000001"}') r FROM tokenauth.token t JOIN held USING (id) WHERE n = 2) r;
CREATE UNIQUE INDEX CONCURRENTLY token_lookup_key ON tokenauth.token (lookup);
\echo :SQLSTATE
DELETE FROM tokenauth.token WHERE id = '00000000-0000-0000-0000-000000000001';
DROP INDEX tokenauth.token_owner_idx;
CREATE UNIQUE INDEX CONCURRENTLY token_owner_idx ON tokenauth.token (owner, crowded, dies_with_owner, owner_epoch);
\echo :SQLSTATE
SELECT outcome('SELECT verdict FROM held, tokenauth.verify(token) WHERE n = 1');
SELECT outcome('SELECT owner FROM tokenauth.issue(''key'', ''user:1'')');
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'schema';
REINDEX INDEX CONCURRENTLY tokenauth.token_lookup_key;
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'schema';
SELECT outcome('SELECT verdict FROM held, tokenauth.verify(token) WHERE n = 1');
SELECT outcome('SELECT owner FROM tokenauth.issue(''key'', ''user:1'')');
SELECT count(*) FROM tokenauth.list(owner => 'user:1');
DROP INDEX tokenauth.token_owner_idx;
CREATE INDEX token_owner_idx ON tokenauth.token (owner, crowded, dies_with_owner, owner_epoch);
SELECT * FROM tokenauth.doctor() WHERE area = 'schema';
SELECT count(*) FROM tokenauth.list(owner => 'user:1');

-- indexes of somebody's own, of any method, change no answer
CREATE INDEX ON tokenauth.token USING brin (id);
CREATE INDEX ON tokenauth.token USING brin (created_at);
CREATE INDEX ON tokenauth.event USING brin (at);
CREATE INDEX ON tokenauth.usage_hourly USING brin (hour);
CREATE INDEX ON tokenauth.principal USING hash (principal);
SELECT tokenauth.revoke_all('*', 'key') > 0 AS revoked;
SELECT tokenauth.purge('1 day');
SELECT verdict FROM held, tokenauth.verify(token) WHERE n = 1;

DROP EXTENSION tokenauth;
DROP FUNCTION outcome, answers, remedies;
DROP TABLE held;
