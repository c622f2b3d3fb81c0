-- Copies part :round of an older system's tokens into the bare tables: the rows that import() writes. Run by scripts/bench.
\timing on
INSERT INTO bench.bare_token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, crowded, scopes, data_scopes, created_at, created_by)
SELECT id, lookup, digest, 'sha256', 'bench', 'bench', owner, 0, true, false, 'devices:read sites:read', '{}', clock_timestamp(), 'role:postgres'
FROM bench.older WHERE round = :round;
INSERT INTO bench.bare_usage (token_id) SELECT id FROM bench.older WHERE round = :round;
INSERT INTO bench.bare_event (id, at, event, token_id, kind, owner, role)
SELECT event_id, clock_timestamp(), 'token.imported', id, 'bench', owner, 'postgres' FROM bench.older WHERE round = :round;
