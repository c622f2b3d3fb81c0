-- The numbers of report() and the rows of idle() as one would write them by hand, over the same tables: each reads all tokens
-- once, by several processes. Read by scripts/bench-reports, a statement a line of "-- key".

-- idle
SELECT CASE WHEN t.disabled_at IS NOT NULL THEN 'disabled' WHEN t.not_before > now() THEN 'not_yet_valid'
            WHEN NOT p.active THEN 'suspended' ELSE 'active' END AS status,
       t.hint, t.owner, t.name, t.kind, t.expires_at, u.last_used_at, u.request_count, u.denied_count, t.created_at, t.created_by,
       t.description, string_to_array(t.scopes, ' '), t.data_scopes, t.not_before, t.networks, t.revoked_at, t.revoked_by, t.revoke_reason, t.rotated_from,
       t.metadata, t.id
  FROM tokenauth.token t JOIN tokenauth.principal p ON p.principal = t.owner LEFT JOIN tokenauth.usage u ON u.token_id = t.id
 WHERE t.created_at < now() - interval '90 days' AND coalesce(u.last_used_at < now() - interval '90 days', true)
   AND t.deleted_at IS NULL AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND p.dropped_at IS NULL
   AND t.owner_epoch >= p.all_dead_before_epoch
   AND (NOT t.dies_with_owner OR p.active AND t.owner_epoch >= p.revocable_dead_before_epoch)
 ORDER BY greatest(t.created_at, u.last_used_at), t.id

-- counts
SELECT t.kind,
       CASE WHEN t.revoked_at IS NOT NULL OR p.dropped_at IS NOT NULL OR t.owner_epoch < p.all_dead_before_epoch
                 OR t.dies_with_owner AND (NOT p.active OR t.owner_epoch < p.revocable_dead_before_epoch) THEN 'revoked'
            WHEN t.disabled_at IS NOT NULL THEN 'disabled' WHEN t.not_before > now() THEN 'not_yet_valid'
            WHEN t.expires_at <= now() THEN 'expired' WHEN NOT p.active THEN 'suspended' ELSE 'active' END AS status,
       least(t.revoked_at, d.at) >= now() - interval '7 days' AS is_newly_dead,
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.reason ELSE t.revoke_reason END AS reason,
       count(*),
       count(*) FILTER (WHERE t.expires_at > now() AND t.expires_at <= now() + interval '7 days' AND t.revoked_at IS NULL
           AND p.dropped_at IS NULL AND t.owner_epoch >= p.all_dead_before_epoch
           AND (NOT t.dies_with_owner OR p.active AND t.owner_epoch >= p.revocable_dead_before_epoch)) AS expiring
  FROM tokenauth.token t JOIN tokenauth.principal p ON p.principal = t.owner
  LEFT JOIN (SELECT owner, true AS dies, lag(epoch, 1, 0::bigint) OVER (PARTITION BY owner ORDER BY epoch) AS since, epoch, at, reason
               FROM tokenauth.mass_death
             UNION ALL
             SELECT owner, false, lag(epoch, 1, 0::bigint) OVER (PARTITION BY owner ORDER BY epoch), epoch, at, reason
               FROM tokenauth.mass_death WHERE covers = 'all') d
         ON d.owner = t.owner AND d.dies = t.dies_with_owner AND t.owner_epoch >= d.since AND t.owner_epoch < d.epoch
 WHERE t.deleted_at IS NULL
 GROUP BY 1, 2, 3, 4

-- longest
WITH idle AS MATERIALIZED (
    SELECT t.id, greatest(t.created_at, u.last_used_at) AS moment
      FROM tokenauth.token t JOIN tokenauth.principal p ON p.principal = t.owner LEFT JOIN tokenauth.usage u ON u.token_id = t.id
     WHERE t.created_at < now() - interval '90 days' AND coalesce(u.last_used_at < now() - interval '90 days', true)
       AND t.deleted_at IS NULL AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND p.dropped_at IS NULL
       AND t.owner_epoch >= p.all_dead_before_epoch
       AND (NOT t.dies_with_owner OR p.active AND t.owner_epoch >= p.revocable_dead_before_epoch))
SELECT count(*), (SELECT array_agg(i) FROM (SELECT id, moment FROM idle ORDER BY moment, id LIMIT 10) i) FROM idle
