-- Of what changes only that is indexed which stops tokens, and every page has room, so that keeping it in step with a
-- users table causes only HOT updates, but for those that deactivate somebody or kill tokens.
CREATE TABLE tokenauth.principal (
    principal                   text COLLATE "C" NOT NULL,
    active                      boolean NOT NULL DEFAULT true,
    epoch                       integer NOT NULL DEFAULT 0,
    all_dead_before_epoch       integer NOT NULL DEFAULT 0,
    revocable_dead_before_epoch integer NOT NULL DEFAULT 0,
    permissions                 text[] NOT NULL DEFAULT '{}',
    data_scopes                 jsonb NOT NULL DEFAULT '{}',
    state_reason                text,
    display_name                text,
    created_at                  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    dropped_at                  timestamptz,
    CONSTRAINT principal_pkey PRIMARY KEY (principal),
    CONSTRAINT principal_epochs_in_order CHECK (epoch >= all_dead_before_epoch AND epoch >= revocable_dead_before_epoch)
) WITH (fillfactor = 45, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

-- A list of revoked or suspended tokens passes over those whose owners are not in it, which are nearly all, without
-- looking at the owners. The condition is one that no query implies: the planner would take the index for a way to who is
-- inactive or dropped, which it believes to be nearly nobody while a statement drops everybody.
CREATE INDEX principal_stopping_idx ON tokenauth.principal (principal)
    WHERE CASE WHEN active THEN all_dead_before_epoch > 0 OR revocable_dead_before_epoch > 0 OR dropped_at IS NOT NULL
               ELSE true END;

COMMENT ON TABLE tokenauth.principal IS 'Who can own tokens or act; a row is never removed, a dropped principal leaves a tombstone';
COMMENT ON INDEX tokenauth.principal_stopping_idx IS 'Finds the principals that may keep tokens of theirs from working: inactive or dropped ones, and those whose tokens died at once';
COMMENT ON COLUMN tokenauth.principal.principal IS 'type:id, such as user:42';
COMMENT ON COLUMN tokenauth.principal.active IS 'Whether its tokens work and new ones may be issued';
COMMENT ON COLUMN tokenauth.principal.epoch IS 'How many mass deaths its tokens have seen; a token carries the epoch it was issued in';
COMMENT ON COLUMN tokenauth.principal.all_dead_before_epoch IS 'Tokens issued in an earlier epoch are dead';
COMMENT ON COLUMN tokenauth.principal.revocable_dead_before_epoch IS 'Tokens issued in an earlier epoch are dead if deactivating the owner revokes them';
COMMENT ON COLUMN tokenauth.principal.permissions IS 'What it holds, as scope patterns';
COMMENT ON COLUMN tokenauth.principal.data_scopes IS 'Allowed values by dimension; {} is unrestricted';
COMMENT ON COLUMN tokenauth.principal.state_reason IS 'Why it is inactive, for the detail of verifications and coded error bodies';
COMMENT ON COLUMN tokenauth.principal.display_name IS 'For people';
COMMENT ON COLUMN tokenauth.principal.created_at IS 'When it was made known, or made known again after it had been dropped';
COMMENT ON COLUMN tokenauth.principal.dropped_at IS 'When it was dropped; NULL while it exists';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.principal', '');

CREATE TABLE tokenauth.member (
    org         text COLLATE "C" NOT NULL,
    member      text COLLATE "C" NOT NULL,
    permissions text[] NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT member_pkey PRIMARY KEY (org, member),
    CONSTRAINT member_not_of_itself CHECK (org <> member)
);

CREATE INDEX member_member_idx ON tokenauth.member (member);

COMMENT ON TABLE tokenauth.member IS 'Who belongs to which organisation, and what it may do there';
COMMENT ON INDEX tokenauth.member_member_idx IS 'Finds the organisations of a principal';
COMMENT ON COLUMN tokenauth.member.org IS 'The organisation, a principal that owns tokens';
COMMENT ON COLUMN tokenauth.member.member IS 'The principal that belongs to it';
COMMENT ON COLUMN tokenauth.member.permissions IS 'What the member holds there, as scope patterns';
COMMENT ON COLUMN tokenauth.member.created_at IS 'When it was added';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.member', '');

-- One row for each mass death, so that a view can show when, by whom and why a token died without writing to it.
CREATE TABLE tokenauth.mass_death (
    owner  text COLLATE "C" NOT NULL,
    epoch  bigint NOT NULL,
    at     timestamptz NOT NULL,
    by     text NOT NULL,
    reason text,
    covers text NOT NULL,
    CONSTRAINT mass_death_pkey PRIMARY KEY (owner, epoch),
    CONSTRAINT mass_death_covers_known CHECK (covers IN ('all', 'revocable'))
);

COMMENT ON TABLE tokenauth.mass_death IS 'Mass deaths: all tokens of an owner, or all revocable ones, died at once';
COMMENT ON COLUMN tokenauth.mass_death.owner IS 'Whose tokens died';
COMMENT ON COLUMN tokenauth.mass_death.epoch IS 'The owner''s epoch from then on: tokens of earlier epochs died';
COMMENT ON COLUMN tokenauth.mass_death.at IS 'When they died';
COMMENT ON COLUMN tokenauth.mass_death.by IS 'The principal, or role:name, that killed them';
COMMENT ON COLUMN tokenauth.mass_death.reason IS 'Why they died';
COMMENT ON COLUMN tokenauth.mass_death.covers IS 'all: every token; revocable: those that deactivating the owner revokes';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.mass_death', '');
