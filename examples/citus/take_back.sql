-- Makes a table of tokenauth that Citus has taken an ordinary table again. On the coordinator first, then on each worker:
--
--     psql --set table=tokenauth.token --file take_back.sql
--
-- Its rows are those of before, to which nothing was added since every call was refused. What somebody has written to
-- it by hand meanwhile is lost. undistribute_table() cannot do it, since it would make a new table, and the extension
-- depends on this one.
\set ON_ERROR_STOP on
BEGIN;
SELECT citus_is_coordinator() AS is_coordinator \gset
\if :is_coordinator
  SELECT citus_drop_all_shards(c.oid, n.nspname, c.relname),
         master_remove_partition_metadata(c.oid, n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = :'table'::regclass;
\else
  WITH shard AS (
         DELETE FROM pg_dist_shard WHERE logicalrelid = :'table'::regclass RETURNING shardid
       ), placement AS (
         DELETE FROM pg_dist_placement p USING shard s WHERE p.shardid = s.shardid
       )
  DELETE FROM pg_dist_partition WHERE logicalrelid = :'table'::regclass;
\endif
-- Citus has put it there.
SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
  FROM pg_trigger
 WHERE tgrelid = :'table'::regclass AND tgname LIKE 'truncate\_trigger\_%' \gexec
COMMIT;
