-- What an import has brought died long ago, by the clock, and is nevertheless in the next export of this copy, which goes on where the one
-- before ended: so a copy of this copy misses nothing. Importing again brings nothing, and then nothing is told again.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT count(tokenauth.put_principal('user:' || name)) FROM unnest('{alice,bob,carol}'::text[]) AS name;
CREATE TABLE held AS
SELECT i.name, i.id, i.token
  FROM unnest('{alive,revoked,deleted,disabled,rotated,shortened,revoked then deleted}'::text[]) AS wanted, LATERAL tokenauth.issue('api', 'user:alice', wanted) i;
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:bob', 'owner deactivated');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:carol', 'all of the owner revoked');
SELECT tokenauth.revoke(id) FROM held WHERE name = 'revoked then deleted';
CREATE TABLE backup_of_token AS SELECT * FROM tokenauth.token;
CREATE TABLE backup_of_principal AS SELECT * FROM tokenauth.principal;
CREATE TABLE backup_of_mass_death AS SELECT * FROM tokenauth.mass_death;
SELECT clock_timestamp() AS backup \gset

-- the first copy
SELECT tokenauth.revoke(id, 'stolen') FROM held WHERE name = 'revoked';
SELECT tokenauth.delete(id) FROM held WHERE name IN ('deleted', 'revoked then deleted');
SELECT tokenauth.disable(id) FROM held WHERE name = 'disabled';
SELECT r.name FROM held, LATERAL tokenauth.rotate(held.id, grace => '1 day') r WHERE held.name = 'rotated';
SELECT e.name FROM held, LATERAL tokenauth.edit(held.id, expires_in => '1 hour') e WHERE held.name = 'shortened';
SELECT tokenauth.deactivate('user:bob', 'left');
SELECT tokenauth.revoke_all('user:carol', reason => 'laptop lost');
SELECT tokenauth.export_revocations(:'backup') AS revocations \gset

-- the second, made from the backup: it has already told all it knows
BEGIN;
DELETE FROM tokenauth.token; DELETE FROM tokenauth.principal; DELETE FROM tokenauth.mass_death;
INSERT INTO tokenauth.token SELECT * FROM backup_of_token;
INSERT INTO tokenauth.principal SELECT * FROM backup_of_principal;
INSERT INTO tokenauth.mass_death SELECT * FROM backup_of_mass_death;
COMMIT;
SELECT tokenauth.export_revocations(clock_timestamp()) ->> 'until' AS until \gset
SELECT tokenauth.import_revocations(:'revocations');
SELECT tokenauth.export_revocations(:'until') AS relayed \gset
CREATE FUNCTION told(document jsonb) RETURNS TABLE (list text, what text) LANGUAGE sql AS $$
    SELECT key, coalesce(held.name, element ->> 'owner', element ->> 'principal')
      FROM jsonb_each(document), jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END) AS element
      LEFT JOIN held ON held.id::text = element ->> 'id'
     ORDER BY 1, 2
$$;
SELECT * FROM told(:'relayed');
-- … with when, by whom and why it died the first time; those that died with all of an owner now stand there by themselves
SELECT count(*) FROM jsonb_array_elements(:'relayed'::jsonb -> 'tokens') t WHERE t IN (SELECT jsonb_array_elements(:'revocations'::jsonb -> 'tokens'));

-- imported again it is nothing new, and from the newest moment on there is nothing to tell
SELECT tokenauth.import_revocations(:'revocations');
SELECT tokenauth.import_revocations(:'relayed');
SELECT * FROM told(tokenauth.export_revocations((:'relayed'::jsonb ->> 'until')::timestamptz));

-- the third, also from the backup, learns it from the second
BEGIN;
DELETE FROM tokenauth.token; DELETE FROM tokenauth.principal; DELETE FROM tokenauth.mass_death;
INSERT INTO tokenauth.token SELECT * FROM backup_of_token;
INSERT INTO tokenauth.principal SELECT * FROM backup_of_principal;
INSERT INTO tokenauth.mass_death SELECT * FROM backup_of_mass_death;
COMMIT;
SELECT tokenauth.import_revocations(:'relayed');
SELECT held.name, v.verdict, v.expires_at IS NOT NULL AS expires FROM held, LATERAL tokenauth.verify(held.token) v ORDER BY held.name;

-- a purge keeps what was brought a moment ago, however long ago it died
UPDATE tokenauth.token SET revoked_at = revoked_at - interval '1 year', deleted_at = deleted_at - interval '1 year' WHERE revoked_at IS NOT NULL;
SELECT tokenauth.purge('30 days');
SELECT count(*) FROM tokenauth.token WHERE revoked_at IS NOT NULL;

-- one long reason of many deaths stands in the document once, and short ones or those of a single death stand with it
SELECT clock_timestamp() AS moment \gset
SELECT count(tokenauth.issue('api', 'user:alice')) FROM generate_series(1, 100);
SELECT tokenauth.revoke(id, 'short') FROM held WHERE name = 'alive';
SELECT tokenauth.revoke(id, repeat('alone ', 100)) FROM tokenauth.issue('api', 'user:alice');
SELECT tokenauth.revoke_all(kind => 'api', issued_before => now(), reason => repeat('long ', 1600)) > 100 AS many;
SELECT tokenauth.export_revocations(:'moment') AS revocations \gset
SELECT jsonb_array_length(:'revocations'::jsonb -> 'reasons') AS reasons, length(:'revocations'::jsonb -> 'reasons' ->> 0) AS length,
       length(:'revocations') < 100000 AS is_short;
SELECT left(t ->> 'reason', 10) AS reason, count(*) > 100 AS many FROM jsonb_array_elements(:'revocations'::jsonb -> 'tokens') t GROUP BY t ->> 'reason' ORDER BY 1;
-- … and comes back whole
DELETE FROM tokenauth.token WHERE revoked_at < :'moment';
UPDATE tokenauth.token SET revoked_at = NULL, revoked_by = NULL, revoke_reason = NULL, deleted_at = NULL;
SELECT tokenauth.import_revocations(:'revocations') > 100 AS many;
SELECT length(revoke_reason), left(revoke_reason, 10), count(*) > 100 AS many FROM tokenauth.token WHERE revoke_reason IS NOT NULL GROUP BY revoke_reason ORDER BY 1;
-- … unless a place in the list is none
SELECT tokenauth.import_revocations(jsonb_set(:'revocations', '{reasons}', '[]'));
\echo :SQLSTATE
