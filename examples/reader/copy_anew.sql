-- On a reader that lacks changes of its primary. No token is valid here until everything is copied anew. The first
-- statement removes the slot on the primary too; without that primary, say before it:
-- ALTER SUBSCRIPTION reader DISABLE; ALTER SUBSCRIPTION reader SET (slot_name = NONE);
DROP SUBSCRIPTION reader;
BEGIN;
SET LOCAL tokenauth.reader = off;
TRUNCATE tokenauth.change, tokenauth.derived_death, tokenauth.heartbeat, tokenauth.import, tokenauth.key, tokenauth.kind,
         tokenauth.mass_death, tokenauth.member, tokenauth.principal, tokenauth.token, tokenauth.usage_batch CASCADE;
COMMIT;
CREATE SUBSCRIPTION reader CONNECTION :'primary' PUBLICATION tokenauth WITH (synchronous_commit = on);
