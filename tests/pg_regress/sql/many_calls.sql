-- Many calls in one statement write with what the calls before have made, and look up by scans that are held open. That
-- must be right when the catalog changes between two of them, and let go at every way out.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
SELECT tokenauth.put_principal('user:' || n, '{devices:read}') FROM generate_series(1, 3) n;
CREATE TABLE made (n int, token text, id uuid);
CREATE FUNCTION issue(first int, last int, act text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN first .. last LOOP
        INSERT INTO made SELECT n, token, id FROM tokenauth.issue('key', 'user:' || n % 3 + 1, 'token ' || n);
        EXECUTE act;
    END LOOP;
END $$;
SELECT issue(1, 3, 'SELECT 1');

-- an index that is made between two rows of one transaction has the later ones too, and is dropped like any other
CREATE FUNCTION found(name text) RETURNS bigint LANGUAGE sql SET enable_seqscan = off SET enable_bitmapscan = off
    AS 'SELECT count(*) FROM tokenauth.token t WHERE t.name = $1';
SELECT issue(4, 6, 'CREATE INDEX IF NOT EXISTS by_name ON tokenauth.token (name)');
SELECT found('token ' || n) FROM generate_series(3, 6) n;
SELECT issue(7, 9, 'DROP INDEX IF EXISTS tokenauth.by_name');

-- an index on a function is written as the function is at that moment
CREATE FUNCTION mark(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT $1 || ' one'$$;
CREATE INDEX by_mark ON tokenauth.token (mark(name));
SELECT issue(10, 12, $$CREATE OR REPLACE FUNCTION mark(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1 || '' two'''$$);
CREATE FUNCTION marked(text) RETURNS SETOF text LANGUAGE sql SET enable_seqscan = off SET enable_bitmapscan = off
    AS $$SELECT name FROM tokenauth.token t WHERE mark(t.name) = $1$$;
SELECT marked('token ' || n || ' ' || which) FROM generate_series(10, 12) n, unnest('{one,two}'::text[]) which;
DROP INDEX tokenauth.by_mark;

-- so is a trigger, a constraint, a column
SELECT issue(13, 15, $$ALTER TABLE tokenauth.token DROP CONSTRAINT IF EXISTS short, ADD CONSTRAINT short CHECK (name <> 'token 15')$$);
\echo :SQLSTATE
ALTER TABLE tokenauth.token ADD COLUMN site text DEFAULT concat('a', 'b');
SELECT issue(13, 15, 'SELECT 1');
SELECT count(*), site FROM tokenauth.token GROUP BY site;
ALTER TABLE tokenauth.token DROP COLUMN site;

-- what fails half-way is taken back, and what follows is written
CREATE FUNCTION try(kinds text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tokenauth.issue(kind, 'user:1') FROM unnest(kinds) kind;
    RETURN 'issued';
EXCEPTION WHEN others THEN
    RETURN sqlstate;
END $$;
SELECT try(kinds) FROM (VALUES (1, '{key,key}'::text[]), (2, '{key,key,none}'), (3, '{key}'), (4, '{none}'), (5, '{key,key}')) t (n, kinds) ORDER BY n;
SELECT count(*) FROM tokenauth.token WHERE name IS NULL;
SELECT count(*) AS lost FROM tokenauth.token t
 WHERE NOT EXISTS (SELECT FROM tokenauth.usage u WHERE u.token_id = t.id) OR NOT EXISTS (SELECT FROM tokenauth.event e WHERE e.token_id = t.id);

-- whoever writes an index has it locked, also once a savepoint has given back the locks of what was written before
CREATE FUNCTION locked() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowExclusiveLock'
   AND relation IN ('tokenauth.token_pkey'::regclass, 'tokenauth.event_pkey'::regclass, 'tokenauth.usage_pkey'::regclass)
$$;
BEGIN;
SAVEPOINT before;
SELECT issue(16, 19), locked();
ROLLBACK TO before;
SELECT locked();
SELECT issue(16, 16), locked();
SELECT issue(17, 19), locked();
ROLLBACK;
SELECT locked();

-- a statement that verifies many tokens leaves no lock behind
BEGIN;
SELECT count(v.ok) FROM made, tokenauth.verify(token) v WHERE v.ok;
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('tokenauth.token'::regclass, 'tokenauth.principal'::regclass);
ALTER TABLE tokenauth.token SET (fillfactor = 95);
REINDEX TABLE tokenauth.token;
SELECT count(v.ok) FROM made, tokenauth.verify(token) v WHERE v.ok;
COMMIT;

-- neither does a cursor once it is closed, or its transaction is over; what it shows is true when it is fetched
SET tokenauth.cache_size = 0;
BEGIN;
DECLARE verdicts CURSOR FOR SELECT n, v.verdict FROM made, tokenauth.verify(token) v WHERE n <= 6 ORDER BY n OFFSET 0;
DECLARE others CURSOR FOR SELECT n, v.verdict FROM (SELECT * FROM made ORDER BY n) made, LATERAL tokenauth.verify(token) v;
FETCH 3 others;
SELECT tokenauth.revoke(id) FROM made WHERE n = 5;
FETCH 2 others;
SAVEPOINT here;
FETCH 2 others;
FETCH 1 verdicts;
ROLLBACK TO here;
FETCH 2 others;
CLOSE others;
COMMIT;
BEGIN;
DECLARE kept CURSOR WITH HOLD FOR SELECT n, v.verdict FROM (SELECT * FROM made ORDER BY n) made, LATERAL tokenauth.verify(token) v;
DECLARE open CURSOR FOR SELECT n, v.verdict FROM (SELECT * FROM made ORDER BY n) made, LATERAL tokenauth.verify(token) v;
FETCH 3 kept;
FETCH 3 open;
COMMIT;
FETCH 3 kept;
CLOSE kept;
BEGIN;
DECLARE open CURSOR FOR SELECT n, v.verdict FROM (SELECT * FROM made ORDER BY n) made, LATERAL tokenauth.verify(token) v;
FETCH 3 open;
ROLLBACK;

-- nor one that fails, in a subtransaction or not
CREATE FUNCTION verdicts(most int) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN array_agg(v.verdict ORDER BY n) FROM made, LATERAL tokenauth.verify(token) v WHERE n / (most - n) >= 0 AND n <= 8;
EXCEPTION WHEN division_by_zero THEN
    RETURN '{failed}';
END $$;
BEGIN;
SELECT verdicts(100), verdicts(6), verdicts(100);
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('tokenauth.token'::regclass, 'tokenauth.principal'::regclass);
SELECT n / (6 - n), v.verdict FROM (SELECT * FROM made ORDER BY n) made, LATERAL tokenauth.verify(token) v;
ROLLBACK;
SELECT verdicts(100);

-- a loop, with what else a transaction does between two rounds
DO $$
DECLARE
    verdict text;
    one made;
BEGIN
    FOR one IN SELECT * FROM made ORDER BY n LIMIT 9 LOOP
        verdict := (tokenauth.verify(one.token)).verdict;
        BEGIN
            verdict := (tokenauth.verify(one.token)).verdict;
            verdict := (tokenauth.verify(one.token)).verdict;
            IF one.n % 2 = 0 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
        IF one.n % 3 = 0 THEN EXECUTE 'SET LOCAL tokenauth.cache_size = ' || one.n * 100; END IF;
        IF verdict IS DISTINCT FROM (CASE one.n WHEN 5 THEN 'revoked' ELSE 'valid' END) THEN RAISE '% %', one.n, verdict; END IF;
    END LOOP;
END $$;

-- one that commits in between
DO $$
DECLARE
    valid bigint;
BEGIN
    FOR n IN 1 .. 3 LOOP
        PERFORM issue(20, 22, 'SELECT 1');
        SELECT count(*) INTO valid FROM made, tokenauth.verify(token) v WHERE v.ok AND made.n >= 20;
        IF valid <> 3 * n THEN RAISE '% %', n, valid; END IF;
        IF n = 2 THEN ROLLBACK AND CHAIN; PERFORM issue(20, 22, 'SELECT 1'); END IF;
        COMMIT;
    END LOOP;
END $$;

-- a statement that ends the extension while scans are held is told so
BEGIN;
DECLARE open CURSOR FOR SELECT n, v.verdict FROM (SELECT * FROM made ORDER BY n) made, LATERAL tokenauth.verify(token) v;
FETCH 3 open;
DROP EXTENSION tokenauth;
\echo :SQLSTATE
ROLLBACK;
DROP EXTENSION tokenauth;
