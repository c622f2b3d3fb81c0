-- The event of an issue shows what the token was then, whatever has become of it since. It does not repeat what the row of the token
-- holds: what is about to change is left in a table of its own.
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read,sites:read}', '{"site": ["nyc", "lon"]}');
CREATE VIEW issued AS
SELECT e.event, e.after - '{hint,rotated_from}'::text[] AS after, e.after ->> 'hint' = t.hint AS hint, (e.after ->> 'rotated_from')::uuid = t.rotated_from AS rotated_from
  FROM tokenauth.events e JOIN tokenauth.token t ON t.id = e.token_id WHERE e.event IN ('token.issued', 'token.imported') ORDER BY e.id;
SELECT id FROM tokenauth.issue('api', 'user:alice', 'first', 'for "tests"', '{sites:read,devices:read}', '{"site": ["nyc"]}', expires_at => '2100-01-02 03:04:05.678901Z',
                               not_before => '2020-01-01Z', networks => '{10.0.0.0/8,::1}', metadata => '{"team": {"name": "é", "lead": null}}') \gset
SELECT * FROM issued;
SELECT count(*) AS stored FROM tokenauth.event WHERE event = 'token.issued' AND after IS NOT NULL;

-- edited: its fields, one after the other, and some more than once
SELECT name FROM tokenauth.edit(:'id', name => 'second', scopes => '{devices:read}');
SELECT name FROM tokenauth.edit(:'id', name => 'third', description => '', networks => '{}', metadata => '{}');
SELECT expires_at IS NULL AS for_ever FROM tokenauth.edit(:'id', expires_at => 'infinity');
SELECT after FROM issued;
SELECT count(*) AS left_behind FROM tokenauth.as_issued;
-- … which changes nothing, and a rollback
SELECT id AS other FROM tokenauth.issue('api', 'user:alice') \gset
SELECT name FROM tokenauth.edit(:'other', scopes => '{sites:read,devices:read}');
BEGIN;
SELECT name FROM tokenauth.edit(:'other', name => 'mine');
SELECT name, after ->> 'name' AS was FROM tokenauth.events e JOIN tokenauth.tokens t ON t.id = e.token_id WHERE e.token_id = :'other' AND event = 'token.issued';
ROLLBACK;
SELECT after - 'hint' AS after FROM tokenauth.events WHERE token_id = :'other' AND event = 'token.issued';

-- rotated, and taken over
SELECT id AS successor FROM tokenauth.rotate(:'other', grace => '1 day') \gset
SELECT tokenauth.import('api', 'user:alice', encode(sha256('old-secret'), 'hex'), 'sha256', 'old', 'old-…') AS imported \gset
SELECT name FROM tokenauth.edit(:'imported', name => 'older');
SELECT * FROM issued;

-- made to end earlier by what was exported elsewhere
SELECT tokenauth.import_revocations(jsonb_set(tokenauth.export_revocations(now()), '{expiries}',
           jsonb_build_array(jsonb_build_object('id', :'successor', 'at', now() + interval '1 hour'))));
SELECT expires_at < now() + interval '1 day' AS soon FROM tokenauth.tokens WHERE id = :'successor';
SELECT after - '{hint,rotated_from}'::text[] AS after FROM tokenauth.events WHERE token_id = :'successor' AND event = 'token.issued';

-- dead, deleted and purged
SELECT tokenauth.delete(:'id');
SELECT after ->> 'name' AS name FROM tokenauth.events WHERE token_id = :'id' AND event = 'token.issued';
SELECT tokenauth.revoke_all('user:alice');
SELECT pg_sleep(0.01);
DO $$ BEGIN WHILE tokenauth.purge('0') > 0 LOOP END LOOP; END $$;
SELECT (SELECT count(*) FROM tokenauth.token) AS tokens, (SELECT count(*) FROM issued) AS events, (SELECT count(*) FROM tokenauth.as_issued) AS left_behind;
