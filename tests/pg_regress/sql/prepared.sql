-- A transaction that only changed permissions, or whose revocation was rolled back to a savepoint, can be prepared.
-- (The other expected file is that of a server with max_prepared_transactions = 0.)
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read,devices:write}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset

-- fewer permissions
BEGIN;
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
PREPARE TRANSACTION 'tokenauth_narrowed';
SELECT scopes FROM tokenauth.verify(:'token');
COMMIT PREPARED 'tokenauth_narrowed';
SELECT scopes FROM tokenauth.verify(:'token');

-- a revocation that was taken back
BEGIN;
SAVEPOINT before;
SELECT tokenauth.revoke(:'id');
ROLLBACK TO before;
SELECT verdict FROM tokenauth.verify(:'token');
PREPARE TRANSACTION 'tokenauth_taken_back';
COMMIT PREPARED 'tokenauth_taken_back';
SELECT verdict FROM tokenauth.verify(:'token');
