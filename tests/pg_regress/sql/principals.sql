-- Principals are whoever can own tokens or act. They are put, deactivated, activated and dropped; none is ever removed.
-- Deactivation kills the tokens of "revoke" kinds for good and suspends those of "suspend" kinds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive)
VALUES ('mortal', 'mortal_', '{user,org,service}', 'revoke'), ('patient', 'patient_', '{user,org,service}', 'suspend');

-- a new principal is active, holds nothing and is unrestricted
SELECT tokenauth.put_principal('user:alice');
SELECT principal, active, permissions, data_scopes, state_reason, display_name, epoch, dropped_at FROM tokenauth.principal;

-- put again: what is given is set, what is NULL stays
SELECT tokenauth.put_principal('user:alice', '{devices:read,devices:*,sites:read,sites:read}', '{"site": ["nyc", "lon", "nyc"]}',
                               display_name => 'Alice');
SELECT tokenauth.put_principal('user:alice');
SELECT active, permissions, data_scopes, display_name FROM tokenauth.principal;
SELECT tokenauth.put_principal('user:alice', permissions => '{}');
SELECT active, permissions, data_scopes, display_name FROM tokenauth.principal;
SELECT tokenauth.put_principal('user:alice', permissions => '{*}', data_scopes => '{}');

-- a put that changes nothing leaves no event
SELECT count(*) AS before FROM tokenauth.events \gset
SELECT tokenauth.put_principal('user:alice', '{*}', '{}', true, display_name => 'Alice');
SELECT count(*) - :before AS events FROM tokenauth.events;

-- an id is any text of 1 to 512 bytes, split from the type at the first colon
SELECT tokenauth.put_principal('service:urn:collector:7', '{a}');
SELECT v.owner, v.owner_type, v.owner_id
  FROM tokenauth.issue('mortal', 'service:urn:collector:7') i, tokenauth.verify(i.token) v;
SELECT tokenauth.put_principal('user: ''"%s;é山 ');
SELECT tokenauth.put_principal('user:' || repeat('i', 512));
SELECT tokenauth.put_principal(repeat('t', 32) || ':1');
SELECT left(principal, 40) AS principal, octet_length(principal) FROM tokenauth.principal ORDER BY principal;
SELECT tokenauth.put_principal('alice');
\echo :SQLSTATE
SELECT tokenauth.put_principal('User:alice');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:' || repeat('i', 513));
\echo :SQLSTATE
\set VERBOSITY terse
SELECT tokenauth.put_principal(':42');
SELECT tokenauth.put_principal(repeat('t', 33) || ':1');
SELECT tokenauth.put_principal(' user:alice');
SELECT tokenauth.put_principal('');
SELECT tokenauth.put_principal('*');
SELECT tokenauth.put_principal(NULL);
\echo :SQLSTATE
SELECT tokenauth.deactivate(NULL);
\echo :SQLSTATE
SELECT tokenauth.activate(NULL);
\echo :SQLSTATE
SELECT tokenauth.drop_principal(NULL);
\echo :SQLSTATE

-- permissions and data scopes are checked, and a refused put changes nothing
\set VERBOSITY default
SELECT tokenauth.put_principal('user:alice', '{devices:read,"devices: write"}', active => false);
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', '{devices:read,NULL}');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', data_scopes => '["nyc"]');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', data_scopes => '{"site": "nyc"}');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', data_scopes => '{"site": ["nyc", 7]}');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', data_scopes => 'null');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', display_name => repeat('n', 256));
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', state_reason => repeat('r', 8193));
\echo :SQLSTATE
SELECT active, permissions, data_scopes FROM tokenauth.principal WHERE principal = 'user:alice';

-- what is not there cannot be deactivated, activated or dropped
SELECT tokenauth.deactivate('user:nobody');
\echo :SQLSTATE
SELECT tokenauth.activate('user:nobody');
\echo :SQLSTATE
SELECT tokenauth.drop_principal('user:nobody');
\echo :SQLSTATE

-- revoke and suspend side by side: deactivation
SELECT token AS mortal, id AS mortal_id FROM tokenauth.issue('mortal', 'user:alice') \gset
SELECT token AS patient, id AS patient_id FROM tokenauth.issue('patient', 'user:alice') \gset
SELECT tokenauth.deactivate('user:alice', 'left the company');
SELECT verdict, http_status, detail FROM tokenauth.verify(:'mortal');
SELECT verdict, http_status, detail FROM tokenauth.verify(:'patient');
SELECT kind, status, revoked_at IS NOT NULL AS has_died, revoked_by IS NOT NULL AS by_somebody, revoke_reason
  FROM tokenauth.tokens WHERE owner = 'user:alice' ORDER BY kind;
SELECT active, state_reason FROM tokenauth.principal WHERE principal = 'user:alice';
-- … once only
SELECT tokenauth.deactivate('user:alice', 'again');
SELECT state_reason FROM tokenauth.principal WHERE principal = 'user:alice';
-- … no token is issued to an inactive owner
SELECT tokenauth.issue('mortal', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.issue('patient', 'user:alice');
\echo :SQLSTATE
-- … activation brings back what was suspended and never what was revoked
SELECT tokenauth.activate('user:alice');
SELECT tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT kind, status, revoke_reason FROM tokenauth.tokens WHERE owner = 'user:alice' ORDER BY kind;
SELECT active, state_reason FROM tokenauth.principal WHERE principal = 'user:alice';
-- … a suspended token can be revoked, and then stays dead
SELECT tokenauth.deactivate('user:alice');
SELECT tokenauth.revoke(:'patient_id');
SELECT tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'patient');

-- put_principal deactivates and activates as well
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:alice') \gset
SELECT token AS patient FROM tokenauth.issue('patient', 'user:alice') \gset
SELECT tokenauth.put_principal('user:alice', active => false, state_reason => 'on leave');
SELECT verdict, detail FROM tokenauth.verify(:'mortal');
SELECT verdict, detail FROM tokenauth.verify(:'patient');
SELECT tokenauth.put_principal('user:alice', active => true);
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT active, state_reason FROM tokenauth.principal WHERE principal = 'user:alice';

-- what deactivation does to a token is decided when it is issued, not when the owner goes
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:alice') \gset
UPDATE tokenauth.kind SET owner_inactive = 'suspend' WHERE name = 'mortal';
SELECT tokenauth.deactivate('user:alice');
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT tokenauth.activate('user:alice');
UPDATE tokenauth.kind SET owner_inactive = 'revoke' WHERE name = 'mortal';

-- a deactivation that is rolled back, whole or to a savepoint, never happened
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:alice') \gset
BEGIN;
SELECT tokenauth.deactivate('user:alice');
SELECT verdict FROM tokenauth.verify(:'mortal');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'mortal');
BEGIN;
SAVEPOINT before;
SELECT tokenauth.deactivate('user:alice');
SELECT verdict FROM tokenauth.verify(:'mortal');
ROLLBACK TO before;
SELECT verdict FROM tokenauth.verify(:'mortal');
COMMIT;
SELECT verdict FROM tokenauth.verify(:'mortal');

-- a dropped principal leaves a tombstone, and all its tokens are dead, of suspend kinds too
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:alice') \gset
SELECT token AS patient, id AS patient_id FROM tokenauth.issue('patient', 'user:alice') \gset
SELECT tokenauth.drop_principal('user:alice');
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT active, permissions, display_name, dropped_at IS NOT NULL AS is_tombstone
  FROM tokenauth.principal WHERE principal = 'user:alice';
SELECT DISTINCT status FROM tokenauth.tokens WHERE owner = 'user:alice';
-- … for everybody it does not exist any more
SELECT tokenauth.drop_principal('user:alice');
\echo :SQLSTATE
SELECT tokenauth.activate('user:alice');
\echo :SQLSTATE
SELECT tokenauth.deactivate('user:alice');
\echo :SQLSTATE
SELECT tokenauth.issue('mortal', 'user:alice');
\echo :SQLSTATE
-- … and its tokens can be revoked no more, nor edited
SELECT tokenauth.revoke(:'patient_id');
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'patient_id', name => 'again');
\set VERBOSITY default

-- the same id starts empty, and its former tokens stay dead
SELECT tokenauth.put_principal('user:alice');
SELECT active, permissions, data_scopes, display_name, dropped_at FROM tokenauth.principal WHERE principal = 'user:alice';
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT verdict FROM tokenauth.issue('mortal', 'user:alice') i, tokenauth.verify(i.token);
-- … as it does when it is put inactive, and activated later
SELECT tokenauth.drop_principal('user:alice');
SELECT tokenauth.put_principal('user:alice', '{*}', active => false);
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');

-- epochs count the mass deaths; they never run backwards
SELECT epoch AS epoch FROM tokenauth.principal WHERE principal = 'user:alice' \gset
SELECT tokenauth.deactivate('user:alice');
SELECT tokenauth.activate('user:alice');
SELECT tokenauth.revoke_all('user:alice');
SELECT tokenauth.drop_principal('user:alice');
SELECT tokenauth.put_principal('user:alice');
SELECT epoch - :epoch AS deaths FROM tokenauth.principal WHERE principal = 'user:alice';
SELECT covers, reason FROM tokenauth.mass_death WHERE owner = 'user:alice' AND epoch > :epoch ORDER BY epoch;

-- the owner loses a permission: the next verification knows
SELECT tokenauth.put_principal('user:bob', '{devices:read,sites:read}', '{"site": ["nyc", "lon"]}');
SELECT token FROM tokenauth.issue('mortal', 'user:bob') \gset
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('user:bob', '{devices:read}', '{"site": ["nyc"]}');
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('user:bob', '{}', '{"*": []}');
SELECT verdict, scopes, data_scopes FROM tokenauth.verify(:'token');

-- history of a principal
SELECT event, before -> 'permissions' AS before, after -> 'permissions' AS after, actor, role = session_user AS by_me
  FROM tokenauth.events WHERE owner = 'user:bob' ORDER BY id;
SELECT event, count(*) FROM tokenauth.events WHERE owner = 'user:alice' AND token_id IS NULL GROUP BY event ORDER BY event;
