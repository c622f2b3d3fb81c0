-- The database of the applications in this folder: a kind, two owners, and a table that shows each owner its own rows.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'acme_');
SELECT tokenauth.put_principal('user:1', permissions => '{devices:*,addresses:read}');
SELECT tokenauth.put_principal('user:2', permissions => '{devices:*,addresses:read}');

CREATE TABLE device (
    name text PRIMARY KEY,
    owner_id text NOT NULL DEFAULT tokenauth.current_owner_id(),
    address inet NOT NULL DEFAULT '192.0.2.1'
);
INSERT INTO device (name, owner_id) VALUES ('core-1', '1'), ('edge-7', '2');
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON device FOR SELECT USING (
    owner_id = (SELECT tokenauth.current_owner_id()) AND (SELECT tokenauth.has_scope('devices:read')));
CREATE POLICY added ON device FOR INSERT WITH CHECK (
    owner_id = (SELECT tokenauth.current_owner_id()) AND (SELECT tokenauth.has_scope('devices:write')));

-- The role that the applications log in as.
CREATE ROLE app LOGIN;
SELECT tokenauth.grant_access('app', 'verify');
GRANT SELECT, INSERT ON device TO app;
