-- Where the library is not preloaded, verification writes usage without an executor, as PostgreSQL writes its catalogs: what
-- only an executor applies would be ignored, or crash. So it writes nothing while somebody has put such a thing on the table.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');

-- verifies a new token, and tells whether the use was counted, and what doctor() says
CREATE FUNCTION used(OUT verdict text, OUT counted boolean, OUT doctor text) LANGUAGE plpgsql AS $$
DECLARE t tokenauth.issued = tokenauth.issue('api', 'user:alice');
BEGIN
    SELECT v.verdict INTO used.verdict FROM tokenauth.verify(t.token) v;
    SELECT request_count = 1 AND last_used_at IS NOT NULL INTO counted FROM tokenauth.usage WHERE token_id = t.id;
    SELECT string_agg(concat(object, ': ', finding), E'\n' ORDER BY object) INTO used.doctor
      FROM tokenauth.doctor() WHERE area = 'usage' AND object <> 'shared_preload_libraries';
END
$$;
SELECT * FROM used();

-- an index on an expression, a partial one, one that constrains
CREATE INDEX by_day ON tokenauth.usage ((date_trunc('day', last_used_at AT TIME ZONE 'UTC')));
SELECT * FROM used();
DROP INDEX tokenauth.by_day;
CREATE INDEX in_use ON tokenauth.usage (token_id) WHERE request_count > 0;
SELECT * FROM used();
DROP INDEX tokenauth.in_use;
CREATE UNIQUE INDEX one_client ON tokenauth.usage (last_client);
SELECT * FROM used();
DROP INDEX tokenauth.one_client;
ALTER TABLE tokenauth.usage ADD CONSTRAINT no_overlap EXCLUDE USING btree (last_client WITH =);
SELECT * FROM used();
ALTER TABLE tokenauth.usage DROP CONSTRAINT no_overlap;

-- … a plain one is kept in step
CREATE INDEX by_time ON tokenauth.usage (last_used_at);
SELECT * FROM used();
SET enable_seqscan = off;
SELECT count(*) FROM tokenauth.usage WHERE last_used_at > now() - interval '1 day';
RESET enable_seqscan;
DROP INDEX tokenauth.by_time;

-- a trigger, a rule, a check, a generated column
CREATE TRIGGER watch BEFORE UPDATE ON tokenauth.usage FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT * FROM used();
DROP TRIGGER watch ON tokenauth.usage;
CREATE RULE watch AS ON UPDATE TO tokenauth.usage DO ALSO NOTHING;
SELECT * FROM used();
DROP RULE watch ON tokenauth.usage;
ALTER TABLE tokenauth.usage ADD CONSTRAINT few CHECK (request_count < 1000000);
SELECT * FROM used();
ALTER TABLE tokenauth.usage DROP CONSTRAINT few;
ALTER TABLE tokenauth.usage ADD COLUMN total bigint GENERATED ALWAYS AS (request_count + denied_count) STORED;
SELECT * FROM used();
ALTER TABLE tokenauth.usage DROP COLUMN total;

-- without them all is as before; row security does not concern verification
ALTER TABLE tokenauth.usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT verdict, counted FROM used();
