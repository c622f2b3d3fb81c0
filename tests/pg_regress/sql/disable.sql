-- disable() suspends one token and enable() brings it back: both say whether they changed anything.
-- Enabling gives back force, so it is judged like issue(): the owner must be active and hold what the token grants.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('api', 'api_', 'revoke'), ('patient', 'patient_', 'suspend');
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('snapshot', 'snap_', 'snapshot'), ('live', 'live_', 'live');
SELECT tokenauth.put_principal('user:alice', '{devices:read,devices:write}', '{"site": ["nyc"]}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset

-- disabled, and enabled again
SELECT tokenauth.enable(:'id');
SELECT tokenauth.disable(:'id');
SELECT verdict, http_status FROM tokenauth.verify(:'token');
SELECT status FROM tokenauth.tokens WHERE id = :'id';
SELECT tokenauth.disable(:'id');
SELECT tokenauth.enable(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.enable(:'id');
SELECT event FROM tokenauth.events WHERE token_id = :'id' ORDER BY events.id;

-- taken back by a rollback
BEGIN;
SELECT tokenauth.disable(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'token');

-- no token, no id, no actor
SELECT tokenauth.disable('00000000-0000-0000-0000-000000000000');
\echo :SQLSTATE
SELECT tokenauth.enable('00000000-0000-0000-0000-000000000000');
\echo :SQLSTATE
SELECT tokenauth.disable(NULL);
\echo :SQLSTATE
SELECT tokenauth.enable(NULL);
\echo :SQLSTATE
SELECT tokenauth.disable(:'id', NULL);
\echo :SQLSTATE
SELECT tokenauth.enable(:'id', actor => NULL);
\echo :SQLSTATE
SELECT tokenauth.disable(:'id', 'user:nobody');
\echo :SQLSTATE

-- what is dead is neither disabled nor enabled
SELECT id AS dead FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.disable(:'dead');
SELECT tokenauth.revoke(:'dead');
SELECT tokenauth.disable(:'dead');
\set VERBOSITY sqlstate
SELECT tokenauth.enable(:'dead');
SELECT tokenauth.delete(:'dead');
SELECT tokenauth.enable(:'dead');
SELECT tokenauth.disable(:'dead');
\set VERBOSITY default
-- … of mass death too: disabling it changes nothing
SELECT id AS mass FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_all('user:alice');
SELECT tokenauth.disable(:'mass');
\set VERBOSITY sqlstate
SELECT tokenauth.enable(:'mass');
\set VERBOSITY default

-- an owner that is inactive
SELECT token, id FROM tokenauth.issue('patient', 'user:alice') \gset
SELECT tokenauth.disable(:'id');
SELECT tokenauth.deactivate('user:alice');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.enable(:'id');
\echo :SQLSTATE
SELECT tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.enable(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
-- … a suspended token can be disabled, and is when its owner comes back
SELECT tokenauth.deactivate('user:alice');
SELECT tokenauth.disable(:'id');
SELECT tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.enable(:'id');

-- a snapshot whose owner has lost what it grants stays disabled
SELECT token, id FROM tokenauth.issue('snapshot', 'user:alice', scopes => '{devices:write}') \gset
SELECT tokenauth.disable(:'id');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.enable(:'id');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', '{devices:*}', '{"site": ["lon"]}');
SELECT tokenauth.enable(:'id');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', data_scopes => '{}');
SELECT tokenauth.enable(:'id');
SELECT verdict, scopes, data_scopes FROM tokenauth.verify(:'token');

-- live and intersect tokens carry what the owner holds now, so nothing is in the way
SELECT tokenauth.put_principal('user:alice', '{devices:read,devices:write}');
SELECT token AS live, id AS live_id FROM tokenauth.issue('live', 'user:alice') \gset
SELECT token AS chosen, id AS chosen_id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.disable(:'live_id'), tokenauth.disable(:'chosen_id');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.enable(:'live_id'), tokenauth.enable(:'chosen_id');
SELECT scopes FROM tokenauth.verify(:'live');
SELECT scopes FROM tokenauth.verify(:'chosen');

-- an expired token
SELECT id FROM tokenauth.issue('api', 'user:alice', expires_in => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT tokenauth.disable(:'id');
SELECT tokenauth.enable(:'id');
SELECT status FROM tokenauth.tokens WHERE id = :'id';
