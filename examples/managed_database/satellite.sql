-- The server beside it, with tokenauth: it issues, verifies and revokes. Run here once, by a superuser:
--   psql -v managed='host=… dbname=… user=… sslmode=verify-full' -f satellite.sql

CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, default_lifetime)
VALUES ('key', 'acme_', '{customer}', 'intersect', '90 days');

-- The published columns. Triggers keep principals in step, also with what the subscription applies.
CREATE TABLE customer (id bigint PRIMARY KEY, is_active boolean NOT NULL, rights text[] NOT NULL);
SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active', permissions => 'rights');

CREATE SUBSCRIPTION customers CONNECTION :'managed' PUBLICATION customers;

-- Alarm when this is more than a few seconds: meanwhile nobody's deactivation is known here.
CREATE VIEW silence AS
SELECT subname, now() - last_msg_receipt_time AS since FROM pg_stat_subscription WHERE relid IS NULL;
