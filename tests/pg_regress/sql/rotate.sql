-- rotate() hands over to a successor with the same settings: the old token dies at once, or works until its grace is over, never
-- longer than it would have. A token has one successor; rotation_status() says how far the change has come.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET IntervalStyle = 'postgres';
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:*}', '{"site": ["nyc", "lon"]}');

-- without a grace the old one is dead; the successor has its settings, and only its own text and id
SELECT token, id, expires_at FROM tokenauth.issue('api', 'user:alice', 'collector', 'rack 7', '{devices:read}', '{"site": ["nyc"]}', '30 days',
                                      not_before => '2000-01-01', networks => '{10.0.0.0/8}', metadata => '{"a": 1}') \gset
SELECT token AS token2, id AS id2, hint LIKE 'api\_%…%' AS hint, kind, owner, name, scopes, id <> :'id' AS other_id, token <> :'token' AS other_text
  FROM tokenauth.rotate(:'id') \gset
SELECT :'kind' AS kind, :'owner' AS owner, :'name' AS name, :'scopes' AS scopes, :'other_id' AS other_id, :'other_text' AS other_text;
SELECT verdict FROM tokenauth.verify(:'token', client => '10.0.0.1');
SELECT verdict, scopes, data_scopes, metadata FROM tokenauth.verify(:'token2', client => '10.0.0.1');
SELECT verdict FROM tokenauth.verify(:'token2', client => '11.0.0.1');
SELECT status, revoke_reason, revoked_by = 'role:' || session_user AS by_me, rotated_from FROM tokenauth.tokens WHERE id = :'id';
SELECT n.status, n.description, n.not_before = o.not_before AS same_start, n.expires_at = :'expires_at' AS same_end, n.rotated_from = o.id AS from_old,
       n.created_at > o.created_at AS younger, n.request_count, n.created_by = 'role:' || session_user AS by_me
  FROM tokenauth.tokens o, tokenauth.tokens n WHERE o.id = :'id' AND n.id = :'id2';

-- with a grace both work until it is over
SELECT token, id FROM tokenauth.issue('api', 'user:alice', 'graceful') \gset
SELECT token AS token2, id AS id2, expires_at FROM tokenauth.rotate(:'id', '1 hour') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'token2');
SELECT name, status, expires_at - now() BETWEEN '59 minutes' AND '61 minutes' AS in_an_hour FROM tokenauth.tokens WHERE id IN (:'id', :'id2') ORDER BY created_at;
SELECT token, id FROM tokenauth.issue('api', 'user:alice', 'short') \gset
SELECT token AS token2, id AS id2 FROM tokenauth.rotate(:'id', '50 milliseconds') \gset
SELECT pg_sleep(0.1);
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'token2');
SELECT status FROM tokenauth.tokens WHERE id = :'id';

-- … never beyond the old expiry, whichever is nearer
SELECT id, expires_at FROM tokenauth.issue('api', 'user:alice', expires_in => '1 hour') \gset
SELECT expires_at = :'expires_at' AS same_end FROM tokenauth.rotate(:'id', '1 day');
SELECT expires_at = :'expires_at' AS not_raised FROM tokenauth.tokens WHERE id = :'id';

-- … and what the grace has lowered is not raised again: not by rotating, not by editing
SELECT id FROM tokenauth.issue('api', 'user:alice', 'once') \gset
SELECT count(*) FROM tokenauth.rotate(:'id', '1 hour');
SELECT expires_at FROM tokenauth.tokens WHERE id = :'id' \gset
\set VERBOSITY sqlstate
SELECT tokenauth.rotate(:'id');
SELECT tokenauth.rotate(:'id', '1 day');
SELECT tokenauth.edit(:'id', expires_in => '1 day');
SELECT tokenauth.edit(:'id', expires_at => 'infinity');
\set VERBOSITY default
-- … but lowered further
SELECT expires_at < now() + '31 minutes' AS lowered FROM tokenauth.edit(:'id', expires_in => '30 minutes');
SELECT expires_at FROM tokenauth.tokens WHERE id = :'id' \gset
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'id', expires_in => '40 minutes');
SELECT tokenauth.edit(:'id', expires_at => :'expires_at'::timestamptz + '1 microsecond');
\set VERBOSITY default
SELECT name, expires_at = :'expires_at' AS not_raised FROM tokenauth.edit(:'id', name => 'once, old');
SELECT tokenauth.disable(:'id'), tokenauth.enable(:'id');
SELECT expires_at = :'expires_at' AS not_raised, (SELECT count(*) FROM tokenauth.tokens n WHERE n.rotated_from = o.id) AS successors FROM tokenauth.tokens o WHERE id = :'id';

-- the successor is rotated in turn, and lives on when its predecessor is deleted
SELECT id AS id2 FROM tokenauth.tokens WHERE rotated_from = :'id' \gset
SELECT token AS token3, id AS id3 FROM tokenauth.rotate(:'id2', '1 hour') \gset
SELECT tokenauth.delete(:'id'), tokenauth.revoke(:'id2');
SELECT verdict FROM tokenauth.verify(:'token3');

-- what is dead, expired, disabled, deleted or not there has no successor
SELECT id AS revoked FROM tokenauth.issue('api', 'user:alice') \gset
SELECT id AS expired FROM tokenauth.issue('api', 'user:alice', expires_in => '1 millisecond') \gset
SELECT id AS disabled FROM tokenauth.issue('api', 'user:alice') \gset
SELECT id AS deleted FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke(:'revoked'), tokenauth.disable(:'disabled'), tokenauth.delete(:'deleted'), pg_sleep(0.01);
\set VERBOSITY sqlstate
SELECT tokenauth.rotate(:'revoked');
SELECT tokenauth.rotate(:'revoked', '1 hour');
SELECT tokenauth.rotate(:'expired');
SELECT tokenauth.rotate(:'expired', expires_in => '1 day');
SELECT tokenauth.rotate(:'disabled');
SELECT tokenauth.rotate(:'deleted');
SELECT tokenauth.rotate('00000000-0000-0000-0000-000000000000');
SELECT tokenauth.rotate(NULL);
SELECT tokenauth.rotate(:'id3', actor => NULL);
SELECT tokenauth.rotate(:'id3', NULL);
SELECT tokenauth.rotate(:'id3', '-1 second');
SELECT tokenauth.rotate(:'id3', '1 day -25 hours');
SELECT tokenauth.rotate(:'id3', '9000 years');
SELECT tokenauth.rotate(:'id3', expires_in => '0');
SELECT tokenauth.rotate(:'id3', expires_in => '-1 day');
\set VERBOSITY default
SELECT verdict FROM tokenauth.verify(:'token3');
SELECT count(*) FROM tokenauth.tokens WHERE rotated_from IN (:'revoked', :'expired', :'disabled', :'id3');
-- … nor has one that died with others, or whose owner is inactive
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT tokenauth.put_principal('user:bob', '{devices:read}');
SELECT id AS bobs FROM tokenauth.issue('patient', 'user:bob') \gset
SELECT tokenauth.deactivate('user:bob');
\set VERBOSITY sqlstate
SELECT tokenauth.rotate(:'bobs');
SELECT tokenauth.activate('user:bob');
SELECT tokenauth.revoke_all('user:bob');
SELECT tokenauth.rotate(:'bobs');
\set VERBOSITY default

-- a lifetime of its own, within what the kind allows
INSERT INTO tokenauth.kind (name, prefix, default_lifetime, max_lifetime, lifetime_required) VALUES ('bounded', 'bounded_', '1 day', '10 days', true);
SELECT id AS bounded, expires_at FROM tokenauth.issue('bounded', 'user:alice') \gset
\set VERBOSITY sqlstate
SELECT tokenauth.rotate(:'bounded', expires_in => '12 days');
\set VERBOSITY default
SELECT expires_at - created_at AS lifetime FROM tokenauth.rotate(:'bounded', '2 days', '5 days');
SELECT expires_at = :'expires_at' AS not_raised FROM tokenauth.tokens WHERE id = :'bounded';

-- … a successor that would never be valid is refused, as by issue()
SELECT id AS later FROM tokenauth.issue('api', 'user:alice', not_before => now() + '10 days') \gset
SELECT tokenauth.rotate(:'later', expires_in => '1 day') IS NULL AS never;
\echo :SQLSTATE

-- rotate is judged by what the owner holds now; of an intersect token the choice is kept
SELECT id FROM tokenauth.issue('api', 'user:alice', scopes => '{devices:read,devices:write}') \gset
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, scopes FROM tokenauth.rotate(:'id') \gset
SELECT :'scopes' AS effective;
SELECT tokenauth.put_principal('user:alice', '{devices:*}');
SELECT scopes FROM tokenauth.verify(:'token');

-- a grace is no longer than the kind allows, and a refusal names the latest moment
INSERT INTO tokenauth.kind (name, prefix, max_grace) VALUES ('brief', 'brief_', '1 hour'), ('abrupt', 'abrupt_', '0');
SELECT id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT id AS brief FROM tokenauth.issue('brief', 'user:alice') \gset
SELECT id AS abrupt FROM tokenauth.issue('abrupt', 'user:alice') \gset
\set VERBOSITY terse
SELECT tokenauth.rotate(:'id', '30 days 1 second');
\echo :SQLSTATE
SELECT tokenauth.rotate(:'brief', '61 minutes');
\echo :SQLSTATE
SELECT tokenauth.rotate(:'abrupt', '1 microsecond');
\echo :SQLSTATE
\set VERBOSITY default
SELECT count(*) FROM tokenauth.rotate(:'id', '30 days');
SELECT count(*) FROM tokenauth.rotate(:'brief', '1 hour');
SELECT count(*) FROM tokenauth.rotate(:'abrupt');

-- a successor is judged by the kind as it is now: its end is cut to what a new token could have
INSERT INTO tokenauth.kind (name, prefix) VALUES ('stricter', 'stricter_');
CREATE TABLE strict AS
SELECT 'years' AS name, id FROM tokenauth.issue('stricter', 'user:alice', 'years', expires_in => '2 years')
UNION ALL SELECT 'day', id FROM tokenauth.issue('stricter', 'user:alice', 'day', expires_in => '1 day')
UNION ALL SELECT 'ever', id FROM tokenauth.issue('stricter', 'user:alice', 'ever')
UNION ALL SELECT 'nameless', id FROM tokenauth.issue('stricter', 'user:alice');
CREATE FUNCTION lifetime(which text) RETURNS interval BEGIN ATOMIC
    SELECT (issued).expires_at - (issued).created_at FROM (SELECT tokenauth.rotate(id) AS issued FROM strict WHERE name = which OFFSET 0) r;
END;
BEGIN;
UPDATE tokenauth.kind SET max_lifetime = '10 days' WHERE name = 'stricter';
SELECT lifetime('years') AS years, lifetime('ever') AS ever, lifetime('day') < '1 day' AS day;
ROLLBACK;
-- … one that never ends gets a default lifetime where the kind requires an end, or else the longest
BEGIN;
UPDATE tokenauth.kind SET lifetime_required = true, default_lifetime = '5 days', max_lifetime = '10 days' WHERE name = 'stricter';
SELECT lifetime('years') AS years, lifetime('ever') AS ever;
ROLLBACK;
BEGIN;
UPDATE tokenauth.kind SET lifetime_required = true, max_lifetime = '10 days' WHERE name = 'stricter';
SELECT lifetime('ever') AS ever;
ROLLBACK;
BEGIN;
UPDATE tokenauth.kind SET lifetime_required = true WHERE name = 'stricter';
SELECT lifetime('years') > '1 year' AS years;
SELECT lifetime('ever');
\echo :SQLSTATE
ROLLBACK;
-- … a default that is not required is not given to one that never ended
BEGIN;
UPDATE tokenauth.kind SET default_lifetime = '5 days' WHERE name = 'stricter';
SELECT lifetime('ever') AS ever;
ROLLBACK;
-- … it needs a name where the kind requires one, and gets no scope beyond a new ceiling
BEGIN;
UPDATE tokenauth.kind SET name_required = true, ceiling = '{devices:read}' WHERE name = 'stricter';
SAVEPOINT nameless;
SELECT lifetime('nameless');
\echo :SQLSTATE
ROLLBACK TO nameless;
SELECT r.id FROM strict s, tokenauth.rotate(s.id) r WHERE s.name = 'years' \gset
SELECT n.scopes, o.scopes AS of_the_old FROM tokenauth.tokens n JOIN tokenauth.tokens o ON o.id = n.rotated_from WHERE n.id = :'id';
ROLLBACK;

-- a token in its grace does not count towards the maximum, its successor does
INSERT INTO tokenauth.kind (name, prefix, max_active_per_owner) VALUES ('one', 'one_', 1);
SELECT token, id FROM tokenauth.issue('one', 'user:alice') \gset
SELECT token AS token2, id AS id2 FROM tokenauth.rotate(:'id', '1 hour') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'token2');
SELECT tokenauth.issue('one', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id2');
SELECT id AS id3 FROM tokenauth.issue('one', 'user:alice') \gset
SELECT count(*) FROM tokenauth.rotate(:'id3');

-- how far it has come, by the id of either; NULL for what was not rotated
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.rotation_status(:'id') IS NULL AS not_rotated;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT token AS token2, id AS id2 FROM tokenauth.rotate(:'id', '1 hour') \gset
SELECT predecessor = :'id' AS predecessor, successor = :'id2' AS successor, predecessor_last_used_at IS NOT NULL AS old_used, successor_last_used_at IS NOT NULL AS new_used,
       predecessor_in_use FROM tokenauth.rotation_status(:'id');
SELECT verdict FROM tokenauth.verify(:'token2');
SELECT predecessor = :'id' AS predecessor, successor = :'id2' AS successor, successor_last_used_at IS NOT NULL AS new_used, predecessor_in_use FROM tokenauth.rotation_status(:'id2');
-- … the old one is used after the new one was issued
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS token2, id AS id2 FROM tokenauth.rotate(:'id', '1 hour') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT predecessor_in_use FROM tokenauth.rotation_status(:'id2');
SELECT tokenauth.revoke(:'id');
SELECT predecessor_in_use FROM tokenauth.rotation_status(:'id2');
SELECT tokenauth.delete(:'id');
SELECT predecessor = :'id' AS predecessor, predecessor_in_use FROM tokenauth.rotation_status(:'id2');
\set VERBOSITY sqlstate
SELECT tokenauth.rotation_status(:'id');
SELECT tokenauth.rotation_status(NULL);
SELECT tokenauth.rotation_status('00000000-0000-0000-0000-000000000000');
\set VERBOSITY default

-- taken back by a rollback, both of it
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
BEGIN;
SELECT token AS token2 FROM tokenauth.rotate(:'id') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'token2');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'token2');
SELECT count(*) FROM tokenauth.rotate(:'id');

-- the events tell of both, and no text of either
SELECT e.event, e.token_id = :'id' AS old, after - '{hint,rotated_from,rotated_to,expires_at}'::text[] AS after, after ->> 'rotated_from' = :'id' AS names_old, after ? 'rotated_to' AND after ? 'expires_at' AS says_how_it_ends FROM tokenauth.events e JOIN tokenauth.tokens t ON t.id = e.token_id
 WHERE :'id' IN (t.id, t.rotated_from) ORDER BY e.id;
SELECT count(*) FROM tokenauth.events e WHERE tokenauth.contains_token(e::text);
