-- One rule says whether a token works, and why not: the first of these that holds. It is dead, by itself or with others;
-- it is disabled; it has not begun; it has ended; its owner is inactive. Verification has it in Rust, the view and other
-- statements in SQL. Here is every combination of what the two rows can say, written by hand, and whoever judges them
-- must judge alike.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\set VERBOSITY terse
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');

-- Epochs 1 and 2 began with the death of all tokens and with that of those that die with their owner, or with neither.
INSERT INTO tokenauth.principal (principal, permissions, epoch, active, dropped_at, all_dead_before_epoch, revocable_dead_before_epoch)
SELECT 'user:' || row_number() OVER (), '{devices:read}', 2, active, dropped_at, all_dead, revocable_dead
  FROM unnest('{t,f}'::boolean[]) active,
       unnest(ARRAY[NULL, now() - interval '1 day']) dropped_at,
       unnest('{0,1}'::bigint[]) all_dead,
       unnest('{0,2}'::bigint[]) revocable_dead;
INSERT INTO tokenauth.mass_death (owner, epoch, at, by, covers)
SELECT p.principal, m.epoch, now() - interval '1 day', 'role:x', m.covers
  FROM tokenauth.principal p, (VALUES (1, 'all'), (2, 'revocable')) m (epoch, covers)
 WHERE m.epoch IN (p.all_dead_before_epoch, p.revocable_dead_before_epoch);

-- Tokens of another system, so that their texts are known.
INSERT INTO tokenauth.import VALUES ('sha256');
CREATE TABLE state AS
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid AS id, 'a token of another system, ' || n AS text, s.*
  FROM (SELECT row_number() OVER () AS n, p.principal AS owner, owner_epoch, dies_with_owner, revoked_at, deleted_at,
               disabled_at, not_before, expires_at
          FROM tokenauth.principal p,
               unnest('{0,1,2}'::bigint[]) owner_epoch,
               unnest('{t,f}'::boolean[]) dies_with_owner,
               (VALUES (NULL, NULL),
                       (now() - interval '1 day', NULL),
                       (now() - interval '1 day', now() - interval '1 day')) death (revoked_at, deleted_at),
               unnest(ARRAY[NULL, now() - interval '1 day']) disabled_at,
               unnest(ARRAY[NULL, now() - interval '1 day', now() + interval '1 day']) not_before,
               unnest(ARRAY[NULL, now() - interval '1 day', now() + interval '2 days']) expires_at) s;
INSERT INTO tokenauth.token (id, lookup, digest, algorithm, kind, owner, owner_epoch, dies_with_owner, scopes, created_at, created_by,
                             revoked_at, deleted_at, disabled_at, not_before, expires_at)
SELECT id, ('x' || encode(substr(digest, 1, 8), 'hex'))::bit(64)::bigint, digest, 'sha256', 'api', owner, owner_epoch, dies_with_owner,
       'devices:read', now() - interval '100 days', 'role:x', revoked_at, deleted_at, disabled_at, not_before, expires_at
  FROM (SELECT *, sha256(text::bytea) AS digest FROM state) s;
ANALYZE tokenauth.token, tokenauth.principal, tokenauth.mass_death;

-- What verification says, and explain() in detail; alive is what is neither dead nor expired.
CREATE TABLE life AS
SELECT s.*, v.verdict, t.status, e.first_failed, e.is_dead, NOT e.is_dead AND NOT e.has_ended AS is_alive,
       p.active AND p.dropped_at IS NULL AS has_owner, p.active, p.dropped_at
  FROM state s
  JOIN tokenauth.principal p ON p.principal = s.owner
 CROSS JOIN LATERAL (SELECT verdict FROM tokenauth.verify(s.text) OFFSET 0) v
  LEFT JOIN tokenauth.tokens t ON t.id = s.id
 CROSS JOIN LATERAL (
       SELECT (array_agg(step ORDER BY place) FILTER (WHERE NOT passed))[1] AS first_failed,
              bool_or(NOT passed) FILTER (WHERE step = 'alive') AS is_dead,
              bool_or(NOT passed) FILTER (WHERE step = 'not expired') AS has_ended
         FROM tokenauth.explain(s.id::text) WITH ORDINALITY AS e (step, passed, reason, place)) e;

-- each verdict has its status in the view, where what was deleted is missing, and its step in explain()
SELECT verdict, status, first_failed, count(*) FROM life GROUP BY verdict, status, first_failed ORDER BY min(status), status;
SELECT s.status, count(*) AS listed, bool_and(l.status = s.status) AS agrees
  FROM (SELECT DISTINCT status FROM life WHERE status IS NOT NULL) s
 CROSS JOIN LATERAL (SELECT id FROM tokenauth.list(status => s.status) OFFSET 0) t
  JOIN life l USING (id)
 GROUP BY s.status ORDER BY s.status;
-- list() makes its rows without the view, and they are the same, of one page as of all
SELECT count(*) AS listed, count(*) FILTER (WHERE l IS DISTINCT FROM t) AS differ FROM tokenauth.list() l FULL JOIN tokenauth.tokens t ON t.id = l.id;
SELECT count(*) AS listed, count(*) FILTER (WHERE l IS DISTINCT FROM t) AS differ
  FROM tokenauth.principal p
 CROSS JOIN LATERAL tokenauth.list(owner => p.principal, page_size => 1000) l
  LEFT JOIN tokenauth.tokens t ON t.id = l.id;
SELECT count(*) AS died_without_a_moment FROM life l JOIN tokenauth.tokens t ON t.id = l.id WHERE is_dead AND has_owner AND t.revoked_at IS NULL;

-- what calls for one token make of it; nothing remains of them
CREATE FUNCTION outcome(call text, of anyelement) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE format('SELECT ' || call, of) INTO answer;
    RAISE SQLSTATE 'UNDO0';
EXCEPTION
    WHEN SQLSTATE 'UNDO0' THEN RETURN answer;
    WHEN OTHERS THEN RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '"[^"]*"', '…');
END $$;
SELECT is_alive, deleted_at IS NOT NULL AS deleted, outcome('tokenauth.revoke(%L)', id) AS revoke, outcome('tokenauth.delete(%L)', id) AS delete,
       count(*)
  FROM life GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;
SELECT is_dead, deleted_at IS NOT NULL AS deleted, disabled_at IS NOT NULL AS disabled, outcome('tokenauth.disable(%L)', id) AS disable, count(*)
  FROM life GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3;
SELECT is_dead, has_owner, disabled_at IS NOT NULL AS disabled, outcome('tokenauth.enable(%L)', id) AS enable, count(*)
  FROM life WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
SELECT is_dead, is_alive, outcome('(tokenauth.edit(%L, name => ''new'')).name', id) AS edit, count(*)
  FROM life WHERE deleted_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT verdict, is_alive, has_owner, outcome('(tokenauth.rotate(%L)).kind', id) AS rotate, count(*)
  FROM life WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3;

-- an identity is judged anew at each call: it began with a token that was valid, whose rows are now like those
CREATE FUNCTION acting(token uuid, text text, OUT accepted boolean) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        UPDATE tokenauth.token t SET owner_epoch = 2, revoked_at = NULL, deleted_at = NULL, disabled_at = NULL, not_before = NULL, expires_at = NULL
         WHERE t.id = token;
        UPDATE tokenauth.principal p SET active = true, dropped_at = NULL FROM life l WHERE l.id = token AND p.principal = l.owner;
        PERFORM tokenauth.authenticate(text);
        UPDATE tokenauth.token t
           SET owner_epoch = l.owner_epoch, revoked_at = l.revoked_at, deleted_at = l.deleted_at, disabled_at = l.disabled_at,
               not_before = l.not_before, expires_at = l.expires_at
          FROM life l WHERE t.id = token AND l.id = token;
        UPDATE tokenauth.principal p SET active = l.active, dropped_at = l.dropped_at FROM life l WHERE l.id = token AND p.principal = l.owner;
        BEGIN
            PERFORM tokenauth.list();
            accepted := true;
        EXCEPTION WHEN invalid_authorization_specification THEN
            accepted := false;
        END;
        RAISE SQLSTATE 'UNDO0';
    EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
    END;
END $$;
SELECT verdict, accepted, count(*) FROM life l, acting(l.id, l.text) GROUP BY 1, 2 ORDER BY 1, 2;

-- how many count as alive: when an owner has as many as it may, and in the answers of those that kill
CREATE FUNCTION room(owner text, most bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tokenauth.kind SET max_active_per_owner = most;
    RETURN outcome('(tokenauth.issue(''api'', %L)).kind', owner);
END $$;
BEGIN;
SELECT room(owner, alive) AS as_many, room(owner, alive + 1) AS one_more, count(*)
  FROM (SELECT owner, count(*) FILTER (WHERE is_alive) AS alive FROM life WHERE has_owner GROUP BY owner) o GROUP BY 1, 2;
ROLLBACK;
BEGIN;
SELECT tokenauth.revoke_all(owner) = alive AS agrees, count(*)
  FROM (SELECT owner, count(*) FILTER (WHERE is_alive) AS alive FROM life WHERE dropped_at IS NULL GROUP BY owner) o GROUP BY 1;
ROLLBACK;
BEGIN;
SELECT tokenauth.revoke_all(kind => 'api') AS died, (SELECT count(*) FROM life WHERE is_alive) AS alive;
ROLLBACK;
BEGIN;
SELECT tokenauth.import_revocations(jsonb_build_object('version', 1, 'owners', jsonb_agg(
           jsonb_build_object('owner', principal, 'at', now(), 'by', 'role:x', 'covers', 'all')))) AS died,
       (SELECT count(*) FROM life WHERE NOT is_dead) AS not_dead
  FROM tokenauth.principal;
ROLLBACK;

-- lists of what is alive
SELECT id FROM life WHERE is_alive AND expires_at IS NOT NULL EXCEPT SELECT id FROM tokenauth.expiring('1 year');
SELECT id FROM tokenauth.expiring('1 year') EXCEPT SELECT id FROM life WHERE is_alive AND expires_at IS NOT NULL;
SELECT id FROM life WHERE is_alive EXCEPT SELECT id FROM tokenauth.idle('0 seconds');
SELECT id FROM tokenauth.idle('0 seconds') EXCEPT SELECT id FROM life WHERE is_alive;
SELECT count(*) AS idle, count(*) FILTER (WHERE i IS DISTINCT FROM t) AS differ FROM tokenauth.idle('0 seconds') i LEFT JOIN tokenauth.tokens t ON t.id = i.id;
-- … by whatever processes they are read
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT count(*) AS idle, count(*) FILTER (WHERE i IS DISTINCT FROM t) AS differ FROM tokenauth.idle('0 seconds') i LEFT JOIN tokenauth.tokens t ON t.id = i.id;
SELECT item, value FROM tokenauth.report() WHERE section IN ('expiring', 'idle', 'tokens') AND item NOT LIKE '%user:%';
COMMIT;
SELECT item, value FROM tokenauth.report() WHERE section IN ('expiring', 'idle', 'tokens') AND item NOT LIKE '%user:%';
SELECT r.value::bigint = count(*) AS agrees, count(*) AS newly_dead
  FROM tokenauth.report() r, tokenauth.tokens t
 WHERE r.section = 'dead' AND r.item = 'revoked within a week' AND t.revoked_at >= now() - interval '7 days' GROUP BY r.value;

-- what is dead or expired can be removed once its moment is long past, and nothing else
BEGIN;
SELECT tokenauth.purge('12 hours') > 0 AS removed;
SELECT count(*) AS alive_and_removed FROM life l WHERE is_alive AND NOT EXISTS (SELECT FROM tokenauth.tokens t WHERE t.id = l.id);
SELECT count(*) AS dead_and_kept FROM tokenauth.tokens t JOIN life l ON l.id = t.id WHERE NOT l.is_alive AND (has_owner OR t.revoked_at IS NOT NULL);
ROLLBACK;
