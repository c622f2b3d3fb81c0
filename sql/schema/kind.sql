-- A kind is policy: migrations write it with plain INSERT and UPDATE. Rules on a single row are CHECK constraints here;
-- rules that need a grammar or other tables are in the trigger (src/triggers/kind.rs).
CREATE TABLE tokenauth.kind (
    name                 text COLLATE "C" NOT NULL,
    prefix               text COLLATE "C" NOT NULL,
    description          text,
    owner_types          text[] NOT NULL DEFAULT '{user}',
    permission_mode      text NOT NULL DEFAULT 'intersect',
    ceiling              text[],
    default_lifetime     interval,
    max_lifetime         interval,
    lifetime_required    boolean NOT NULL DEFAULT false,
    name_required        boolean NOT NULL DEFAULT false,
    owner_inactive       text NOT NULL DEFAULT 'revoke',
    expired_editable     boolean NOT NULL DEFAULT false,
    reveal               boolean NOT NULL DEFAULT false,
    self_service         boolean NOT NULL DEFAULT true,
    issue_permission     text,
    manage_permission    text,
    max_active_per_owner integer,
    rate_limit           integer,
    rate_interval        interval,
    error_style          text NOT NULL DEFAULT 'uniform',
    max_grace            interval NOT NULL DEFAULT '30 days',
    max_age              interval,
    max_idle             interval,
    closed               boolean NOT NULL DEFAULT false,
    derivable            boolean NOT NULL DEFAULT false,
    max_derived_lifetime interval NOT NULL DEFAULT '1 hour',
    created_at           timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT kind_pkey PRIMARY KEY (name),
    CONSTRAINT kind_prefix_key UNIQUE (prefix),
    -- Lengths in UTF-8, so that a dump of a database in another encoding can be restored into one in UTF-8.
    CONSTRAINT kind_name_length CHECK (
        CASE WHEN pg_catalog.getdatabaseencoding() IN ('UTF8', 'SQL_ASCII') THEN pg_catalog.octet_length(name)
             ELSE pg_catalog.octet_length(pg_catalog.convert_to(name, 'UTF8')) END BETWEEN 1 AND 255),
    -- list() and revoke_all() read '*' as any kind.
    CONSTRAINT kind_name_not_any CHECK (name <> '*'),
    CONSTRAINT kind_prefix_format CHECK (prefix ~ '^[A-Za-z0-9_-]{0,32}$'),
    CONSTRAINT kind_description_length CHECK (
        CASE WHEN pg_catalog.getdatabaseencoding() IN ('UTF8', 'SQL_ASCII') THEN pg_catalog.octet_length(description)
             ELSE pg_catalog.octet_length(pg_catalog.convert_to(description, 'UTF8')) END <= 8192),
    CONSTRAINT kind_owner_types_given CHECK (pg_catalog.cardinality(owner_types) > 0),
    CONSTRAINT kind_permission_mode_known CHECK (permission_mode IN ('live', 'intersect', 'snapshot', 'all')),
    CONSTRAINT kind_all_is_gated CHECK (permission_mode <> 'all' OR issue_permission IS NOT NULL OR NOT self_service),
    CONSTRAINT kind_default_lifetime_positive CHECK (default_lifetime > '0'),
    CONSTRAINT kind_max_lifetime_positive CHECK (max_lifetime > '0'),
    CONSTRAINT kind_default_lifetime_within_max CHECK (default_lifetime <= max_lifetime),
    CONSTRAINT kind_owner_inactive_known CHECK (owner_inactive IN ('revoke', 'suspend')),
    CONSTRAINT kind_max_active_per_owner_positive CHECK (max_active_per_owner > 0),
    CONSTRAINT kind_rate_limit_positive CHECK (rate_limit > 0),
    CONSTRAINT kind_rate_interval_positive CHECK (rate_interval > '0'),
    CONSTRAINT kind_rate_is_whole CHECK ((rate_limit IS NULL) = (rate_interval IS NULL)),
    CONSTRAINT kind_error_style_known CHECK (error_style IN ('uniform', 'coded', 'problem')),
    CONSTRAINT kind_max_grace_not_negative CHECK (max_grace >= '0'),
    CONSTRAINT kind_max_derived_lifetime_positive CHECK (max_derived_lifetime > '0'),
    -- Bounded, so that no sum of a moment and an age leaves the calendar.
    CONSTRAINT kind_max_age_in_range CHECK (max_age > '0' AND max_age <= '1000 years'),
    CONSTRAINT kind_max_idle_in_range CHECK (max_idle > '0' AND max_idle <= '1000 years')
);

COMMENT ON TABLE tokenauth.kind IS 'Policies: each token belongs to one kind; written with INSERT and UPDATE';
COMMENT ON COLUMN tokenauth.kind.name IS 'The name of the kind in issue(), list() and so on';
COMMENT ON COLUMN tokenauth.kind.prefix IS 'What its tokens begin with, such as ps_usr_; cannot change while the kind has tokens';
COMMENT ON COLUMN tokenauth.kind.description IS 'For people';
COMMENT ON COLUMN tokenauth.kind.owner_types IS 'Types of principals that may own tokens of the kind';
COMMENT ON COLUMN tokenauth.kind.permission_mode IS 'What a token grants; live: what its owner holds now; intersect: its chosen scopes, cut to what the owner holds now; snapshot: its chosen scopes as granted; all: everything';
COMMENT ON COLUMN tokenauth.kind.ceiling IS 'Scopes that a token never exceeds; NULL: no ceiling';
COMMENT ON COLUMN tokenauth.kind.default_lifetime IS 'Lifetime when none is given; NULL: tokens do not expire';
COMMENT ON COLUMN tokenauth.kind.max_lifetime IS 'Longest lifetime, counted to the end of its last day in UTC; NULL: no bound';
COMMENT ON COLUMN tokenauth.kind.lifetime_required IS 'Whether every token must expire';
COMMENT ON COLUMN tokenauth.kind.name_required IS 'Whether every token must have a name';
COMMENT ON COLUMN tokenauth.kind.owner_inactive IS 'What deactivating the owner does to a token: revoke it for good, or suspend it until the owner is active again; copied into each token when it is issued';
COMMENT ON COLUMN tokenauth.kind.expired_editable IS 'Whether an expired token can be edited, and so revived';
COMMENT ON COLUMN tokenauth.kind.reveal IS 'Whether the token text is kept sealed as well, so that reveal() can show it again; needs a seal key in the key file';
COMMENT ON COLUMN tokenauth.kind.self_service IS 'Whether principals may hand out, edit, widen and revive tokens; false: only the application''s trusted calls';
COMMENT ON COLUMN tokenauth.kind.issue_permission IS 'Permission that an actor needs for everything on tokens of this kind, except for revoking its own; NULL: none';
COMMENT ON COLUMN tokenauth.kind.manage_permission IS 'Permission that lets an actor see and manage tokens of others; NULL: only trusted calls may';
COMMENT ON COLUMN tokenauth.kind.max_active_per_owner IS 'How many tokens of this kind one owner may have alive at once; NULL: unlimited';
COMMENT ON COLUMN tokenauth.kind.rate_limit IS 'How often each token may be verified within rate_interval, and at once after a rest of that length; needs the library preloaded; NULL: unlimited';
COMMENT ON COLUMN tokenauth.kind.rate_interval IS 'The interval for rate_limit; each server counts by itself';
COMMENT ON COLUMN tokenauth.kind.error_style IS 'Body of error_response(): uniform, coded, or problem (RFC 9457)';
COMMENT ON COLUMN tokenauth.kind.max_grace IS 'Longest grace of rotate(), for which a token goes on working beside its successor';
COMMENT ON COLUMN tokenauth.kind.max_age IS 'The age at which its tokens expire, whatever their expires_at; NULL: none';
COMMENT ON COLUMN tokenauth.kind.max_idle IS 'How long a token may go unused before it is revoked; needs the library preloaded; NULL: as long as it likes';
COMMENT ON COLUMN tokenauth.kind.closed IS 'Whether no new tokens are made; those that are there go on working, and can be edited';
COMMENT ON COLUMN tokenauth.kind.derivable IS 'Whether holders may derive narrower, short-lived tokens from its tokens';
COMMENT ON COLUMN tokenauth.kind.max_derived_lifetime IS 'Longest lifetime of such a token';
COMMENT ON COLUMN tokenauth.kind.created_at IS 'When the kind was made';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.kind', '');
