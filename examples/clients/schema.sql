-- The database for the programs in this folder: a kind, two owners, and a table that shows each owner its own rows.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'acme_');
SELECT tokenauth.put_principal('user:1', permissions => '{devices:*}', data_scopes => '{"site": ["lon", "nyc"]}');
SELECT tokenauth.put_principal('user:2', permissions => '{devices:*}');

CREATE TABLE device (name text PRIMARY KEY, owner_id text NOT NULL, address inet NOT NULL);
INSERT INTO device VALUES ('core-1', '1', '192.0.2.1'), ('core-2', '2', '192.0.2.2'), ('edge-1', '1', '2001:db8::1');
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON device USING (
    owner_id = (SELECT tokenauth.current_owner_id())
    AND (SELECT tokenauth.has_scope('devices:read')));

-- The role that the application logs in as. It may verify; whatever else it may do, it may do only with a token.
CREATE ROLE app LOGIN;
SELECT tokenauth.grant_access('app', 'self');
GRANT SELECT ON device TO app;
