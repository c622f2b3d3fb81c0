-- On a reader that lacks changes of its primary, as when it had applied more than the member has that was promoted. No
-- token is valid here until subscribe.sql has copied everything anew.
ALTER SUBSCRIPTION reader DISABLE;
ALTER SUBSCRIPTION reader SET (slot_name = NONE);
DROP SUBSCRIPTION reader;
BEGIN;
SET LOCAL tokenauth.reader = off;
TRUNCATE tokenauth.change, tokenauth.derived_death, tokenauth.heartbeat, tokenauth.import, tokenauth.key, tokenauth.kind,
         tokenauth.mass_death, tokenauth.member, tokenauth.principal, tokenauth.token, tokenauth.usage_batch CASCADE;
COMMIT;
