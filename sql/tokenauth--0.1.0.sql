-- What CREATE EXTENSION tokenauth runs, as sql/generator has written it.

-- src/lib.rs:39
-- bootstrap
\echo Use "CREATE EXTENSION tokenauth" to load this file. \quit

-- CREATE EXTENSION sets this same path; it is repeated for whoever reads or checks the script alone.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- A plain CREATE: if somebody else has made, and so owns, a schema of this name, the installation fails here.
CREATE SCHEMA tokenauth;

-- A library that is older than this script, since it was loaded before its file was replaced, is told by one clear error.
CREATE FUNCTION tokenauth.require_library() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'require_library_wrapper';
SELECT tokenauth.require_library();
DROP FUNCTION tokenauth.require_library();

COMMENT ON SCHEMA tokenauth IS 'API tokens: issue, verify, list and revoke them';

-- src/lib.rs:36
CREATE SCHEMA IF NOT EXISTS tokenauth; /* tokenauth::tokenauth */

-- src/access/identity/authenticate.rs:37
-- tokenauth::access::identity::authenticate::authenticate
CREATE  FUNCTION tokenauth."authenticate"(
	"token" text, /* Option < PresentedText > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS text /* Result < Text, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'authenticate_wrapper';

-- src/access/identity/authenticate.rs:64
-- tokenauth::access::identity::authenticate::authenticate_digest
CREATE  FUNCTION tokenauth."authenticate_digest"(
	"lookup" text, /* Option < Text > */
	"digest" bytea, /* Option < & [u8] > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS text /* Result < Text, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'authenticate_digest_wrapper';

-- src/access/identity/authenticate.rs:90
-- tokenauth::access::identity::authenticate::authenticate_request
CREATE  FUNCTION tokenauth."authenticate_request"(
	"headers" jsonb, /* Option < Jsonb > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL, /* Option < Text > */
	"header" text DEFAULT NULL /* Option < Text > */
) RETURNS text /* Result < Text, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'authenticate_request_wrapper';

-- src/access/identity/authenticate.rs:205
-- tokenauth::access::identity::authenticate::sign_out
CREATE  FUNCTION tokenauth."sign_out"(

) RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sign_out_wrapper';

-- src/access/identity/getters.rs:33
-- tokenauth::access::identity::getters::current_owner
CREATE  FUNCTION tokenauth."current_owner"(

) RETURNS text /* Result < Option < Text > , ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_owner_wrapper';

-- src/access/identity/getters.rs:52
-- tokenauth::access::identity::getters::current_owner_type
CREATE  FUNCTION tokenauth."current_owner_type"(

) RETURNS text /* Result < Option < Text > , ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_owner_type_wrapper';

-- src/access/identity/getters.rs:72
-- tokenauth::access::identity::getters::current_owner_id
CREATE  FUNCTION tokenauth."current_owner_id"(

) RETURNS text /* Result < Option < Text > , ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_owner_id_wrapper';

-- src/access/identity/getters.rs:91
-- tokenauth::access::identity::getters::current_token_id
CREATE  FUNCTION tokenauth."current_token_id"(

) RETURNS uuid /* Result < Option < Uuid > , ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_token_id_wrapper';

-- src/access/identity/getters.rs:110
-- tokenauth::access::identity::getters::current_kind
CREATE  FUNCTION tokenauth."current_kind"(

) RETURNS text /* Result < Option < Text > , ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_kind_wrapper';

-- src/access/identity/getters.rs:129
-- tokenauth::access::identity::getters::current_scopes
CREATE  FUNCTION tokenauth."current_scopes"(

) RETURNS text[] /* Result < Option < TextArray > , ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_scopes_wrapper';

-- src/access/identity/getters.rs:153
-- tokenauth::access::identity::getters::has_scope
CREATE  FUNCTION tokenauth."has_scope"(
	"scope" text /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'has_scope_wrapper';

-- src/access/identity/getters.rs:183
-- tokenauth::access::identity::getters::data_scope
CREATE  FUNCTION tokenauth."data_scope"(
	"dimension" text /* Option < Text > */
) RETURNS text[] /* Result < Option < TextArray > , ErrorReport > */
STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'data_scope_wrapper';

-- src/access/identity/getters.rs:211
-- tokenauth::access::identity::getters::in_data_scope
CREATE  FUNCTION tokenauth."in_data_scope"(
	"dimension" text, /* Option < Text > */
	"value" text /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL RESTRICTED 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'in_data_scope_wrapper';

-- src/access/identity/pre_request.rs:37
-- tokenauth::access::identity::pre_request::pre_request

CREATE FUNCTION tokenauth.pre_request() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pre_request_raising';

-- src/access/sql_privileges.rs:121
-- tokenauth::access::sql_privileges::grant_access
CREATE  FUNCTION tokenauth."grant_access"(
	"to_role" regrole, /* Option < Role > */
	"access" text /* Option < Text > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'grant_access_wrapper';

-- src/access/sql_privileges.rs:153
-- tokenauth::access::sql_privileges::revoke_access
CREATE  FUNCTION tokenauth."revoke_access"(
	"from_role" regrole, /* Option < Role > */
	"access" text /* Option < Text > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'revoke_access_wrapper';

-- src/access/sql_privileges.rs:192
-- tokenauth::access::sql_privileges::strip_grants
CREATE  FUNCTION tokenauth."strip_grants"(

) RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'strip_grants_wrapper';

-- src/lib.rs:40
-- requires:
--   schema

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
    -- Columns of features to come, so that the table stays as it is: nothing keeps yet what they would promise.
    CONSTRAINT kind_max_age_not_supported_yet CHECK (max_age IS NULL),
    CONSTRAINT kind_max_idle_not_supported_yet CHECK (max_idle IS NULL),
    CONSTRAINT kind_derivable_not_supported_yet CHECK (NOT derivable),
    CONSTRAINT kind_max_derived_lifetime_not_supported_yet CHECK (max_derived_lifetime = '1 hour')
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
COMMENT ON COLUMN tokenauth.kind.max_age IS 'Not supported yet: the age at which its tokens expire, whatever their expires_at';
COMMENT ON COLUMN tokenauth.kind.max_idle IS 'Not supported yet: how long a token may go unused before it is revoked';
COMMENT ON COLUMN tokenauth.kind.closed IS 'Whether no new tokens are made; those that are there go on working, and can be edited';
COMMENT ON COLUMN tokenauth.kind.derivable IS 'Not supported yet: whether holders may derive short-lived tokens from its tokens';
COMMENT ON COLUMN tokenauth.kind.max_derived_lifetime IS 'Not supported yet: longest lifetime of such a token';
COMMENT ON COLUMN tokenauth.kind.created_at IS 'When the kind was made';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.kind', '');

-- src/lib.rs:41
-- requires:
--   kind

-- Only the key is indexed, nothing mutable, and every page has room, so that keeping it in step with a users table
-- causes only HOT updates.
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

COMMENT ON TABLE tokenauth.principal IS 'Who can own tokens or act; a row is never removed, a dropped principal leaves a tombstone';
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

-- src/lib.rs:42
-- requires:
--   principal

-- The triggers are the binding. This remembers only that there is one, so that doctor() misses them when the table was
-- dropped or replaced; it decides nothing.
CREATE TABLE tokenauth.binding (
    type   text COLLATE "C" NOT NULL,
    source text NOT NULL,
    what   text NOT NULL,
    CONSTRAINT binding_pkey PRIMARY KEY (type),
    CONSTRAINT binding_what_known CHECK (what IN ('principals', 'memberships')),
    CONSTRAINT binding_type_of_principals CHECK ((type = '') = (what = 'memberships')),
    CONSTRAINT binding_source_qualified CHECK (pg_catalog.cardinality(pg_catalog.parse_ident(source)) = 2)
);

COMMENT ON TABLE tokenauth.binding IS 'Which tables were bound and not unbound since, so that doctor() can miss their triggers';
COMMENT ON COLUMN tokenauth.binding.type IS 'The type of the principals; empty for memberships';
COMMENT ON COLUMN tokenauth.binding.source IS 'The bound table, with its schema, quoted';
COMMENT ON COLUMN tokenauth.binding.what IS 'What its rows are: principals or memberships';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.binding', '');

-- src/lib.rs:43
-- requires:
--   binding

-- Like the other tables, this one has no foreign keys. In REPEATABLE READ and SERIALIZABLE, their checks use the
-- snapshot of the transaction and would refuse an owner that was committed a moment ago; and they lock after the row is
-- written, in another order than we do. issue() keeps what they would guarantee, by locking kind and owner first; a
-- kind with tokens cannot be deleted, and a principal stays as long as it has tokens.
--
-- The columns that verification reads come first and have fixed width: PostgreSQL finds those without walking the row.
-- Those that are narrow stand together, so that nothing is lost to alignment, and lists of words are texts, since an
-- array takes sixteen bytes for each word. An entry of an index can take as much as a tenth of the row, so no index has
-- more in it than it needs.
--
-- A page has room for one new version of a row: the next change finds that the former version has been pruned, and is
-- HOT. Tokens hardly change; a page that is left emptier would be read by every scan.
CREATE TABLE tokenauth.token (
    lookup          bigint NOT NULL,
    id              uuid NOT NULL,
    created_at      timestamptz NOT NULL,
    owner_epoch     integer NOT NULL,
    dies_with_owner boolean NOT NULL,
    crowded         boolean NOT NULL DEFAULT true,
    expires_at      timestamptz,
    not_before      timestamptz,
    revoked_at      timestamptz,
    disabled_at     timestamptz,
    deleted_at      timestamptz,
    digest          bytea NOT NULL,
    algorithm       text NOT NULL,
    pepper          text,
    kind            text COLLATE "C" NOT NULL,
    owner           text COLLATE "C" NOT NULL,
    name            text,
    scopes          text,
    data_scopes     jsonb,
    networks        text[],
    metadata        jsonb,
    description     text,
    hint            text,
    created_by      text NOT NULL,
    revoked_by      text,
    revoke_reason   text,
    rotated_from    uuid,
    rotated_to      uuid,
    sealed          bytea,
    seal            text,
    learned_at      timestamptz,
    derive_key      bytea,
    CONSTRAINT token_pkey PRIMARY KEY (id),
    CONSTRAINT token_lookup_key UNIQUE (lookup),
    CONSTRAINT token_algorithm_known CHECK (algorithm IN ('sha256', 'hmac-sha256', 'sha512')),
    CONSTRAINT token_pepper_with_hmac CHECK ((pepper IS NOT NULL) = (algorithm = 'hmac-sha256')),
    CONSTRAINT token_sealed_with_seal CHECK ((sealed IS NULL) = (seal IS NULL)),
    CONSTRAINT token_deleted_is_revoked CHECK (deleted_at IS NULL OR revoked_at IS NOT NULL),
    CONSTRAINT token_derive_key_not_supported_yet CHECK (derive_key IS NULL)
) WITH (fillfactor = 95, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

-- Entries that are equal are stored once: one of an owner with ten tokens takes what one of a single token would.
CREATE INDEX token_owner_idx ON tokenauth.token (owner, crowded, dies_with_owner, owner_epoch);
-- The tokens of most owners are few, and are sorted when they are listed. An index entry that keeps them in order takes
-- sixty bytes and more, so the first few tokens of an owner have none.
CREATE INDEX token_owner_id_idx ON tokenauth.token (owner, id) WHERE crowded;
-- By the day, of which many tokens have the same. Without a condition on what a revocation changes: it would have to
-- write every index.
CREATE INDEX token_expires_on_idx ON tokenauth.token (((expires_at AT TIME ZONE 'UTC')::date));

COMMENT ON TABLE tokenauth.token IS 'Tokens: digests and settings, never the token text in the clear';
COMMENT ON INDEX tokenauth.token_owner_idx IS 'Finds the tokens of an owner, and counts those that no mass death has killed';
COMMENT ON INDEX tokenauth.token_owner_id_idx IS 'Lists the tokens of an owner that has many, newest first';
COMMENT ON INDEX tokenauth.token_expires_on_idx IS 'Finds the tokens that expire soon, by the day in UTC';
COMMENT ON COLUMN tokenauth.token.lookup IS 'Public part of the token text, by which verification finds the row';
COMMENT ON COLUMN tokenauth.token.id IS 'Public identifier, uuid version 7';
COMMENT ON COLUMN tokenauth.token.created_at IS 'When it was issued';
COMMENT ON COLUMN tokenauth.token.owner_epoch IS 'Epoch of the owner when the token was issued';
COMMENT ON COLUMN tokenauth.token.dies_with_owner IS 'Whether deactivating the owner revokes it (otherwise suspends it): owner_inactive of its kind when it was issued';
COMMENT ON COLUMN tokenauth.token.crowded IS 'Whether its owner had many tokens already when it was issued';
COMMENT ON COLUMN tokenauth.token.expires_at IS 'When it stops working; NULL: never';
COMMENT ON COLUMN tokenauth.token.not_before IS 'When it starts working; NULL: at once';
COMMENT ON COLUMN tokenauth.token.revoked_at IS 'When this token itself was revoked; for mass deaths see mass_death';
COMMENT ON COLUMN tokenauth.token.disabled_at IS 'When it was disabled; NULL: it is not';
COMMENT ON COLUMN tokenauth.token.deleted_at IS 'When it was deleted, and so removed from every list; NULL: it was not';
COMMENT ON COLUMN tokenauth.token.digest IS 'Digest of the whole token text';
COMMENT ON COLUMN tokenauth.token.algorithm IS 'How the digest was computed';
COMMENT ON COLUMN tokenauth.token.pepper IS 'Identifier of the pepper that the digest is under';
COMMENT ON COLUMN tokenauth.token.kind IS 'The kind it belongs to';
COMMENT ON COLUMN tokenauth.token.owner IS 'The principal it acts for';
COMMENT ON COLUMN tokenauth.token.name IS 'For people';
COMMENT ON COLUMN tokenauth.token.scopes IS 'The scopes it was granted, with a blank between two; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.token.data_scopes IS 'The data scopes it was granted; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.token.networks IS 'Networks it may be used from; NULL: any';
COMMENT ON COLUMN tokenauth.token.metadata IS 'The application''s own data';
COMMENT ON COLUMN tokenauth.token.description IS 'For people';
COMMENT ON COLUMN tokenauth.token.hint IS 'Enough of the token text to recognise it';
COMMENT ON COLUMN tokenauth.token.created_by IS 'The principal, or role:name, that issued it';
COMMENT ON COLUMN tokenauth.token.revoked_by IS 'The principal, or role:name, that revoked it';
COMMENT ON COLUMN tokenauth.token.revoke_reason IS 'Why it was revoked';
COMMENT ON COLUMN tokenauth.token.rotated_from IS 'The token it succeeded';
COMMENT ON COLUMN tokenauth.token.rotated_to IS 'The token that succeeded it';
COMMENT ON COLUMN tokenauth.token.sealed IS 'The token text, encrypted, for kinds with reveal; wiped when the token itself is revoked or deleted';
COMMENT ON COLUMN tokenauth.token.seal IS 'Identifier of the key that opens it';
COMMENT ON COLUMN tokenauth.token.learned_at IS 'When import_revocations() last killed, disabled or shortened it; NULL: it never did';
COMMENT ON COLUMN tokenauth.token.derive_key IS 'Not supported yet: the public key that tells tokens derived from it';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.token', '');

-- What the event of a token's issue shows is what its row holds; whoever changes that first leaves it here. Most tokens
-- never change, and for those it would be stored twice.
CREATE TABLE tokenauth.as_issued (
    token_id uuid NOT NULL,
    after    jsonb NOT NULL,
    CONSTRAINT as_issued_pkey PRIMARY KEY (token_id)
);

COMMENT ON TABLE tokenauth.as_issued IS 'Internal: what tokens that have been changed since were when they were issued';
COMMENT ON COLUMN tokenauth.as_issued.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.as_issued.after IS 'What the event of its issue shows of it';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.as_issued', '');

-- One row for each digest algorithm of imported tokens: while it is empty, a text not of our form costs no probe.
CREATE TABLE tokenauth.import (
    algorithm text COLLATE "C" NOT NULL,
    CONSTRAINT import_pkey PRIMARY KEY (algorithm),
    CONSTRAINT import_algorithm_known CHECK (algorithm IN ('sha256', 'sha512'))
);

COMMENT ON TABLE tokenauth.import IS 'The algorithms by which the digests of imported tokens were computed';
COMMENT ON COLUMN tokenauth.import.algorithm IS 'There are, or were, imported tokens with such digests';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.import', '');

-- Inserted with the token but kept apart: counting a use never locks or rewrites the row that verification reads. Every
-- flush rewrites the rows of tokens that were used, within their pages as long as these have room: a page is left so
-- empty that its rows find it at their full size too, since no flush rewrites all of them at once
-- (src/operations/usage_worker.rs).
CREATE TABLE tokenauth.usage (
    token_id       uuid NOT NULL,
    last_used_at   timestamptz,
    request_count  bigint NOT NULL DEFAULT 0,
    denied_count   bigint NOT NULL DEFAULT 0,
    first_used_at  timestamptz,
    last_denied_at timestamptz,
    last_client    text,
    CONSTRAINT usage_pkey PRIMARY KEY (token_id)
) WITH (fillfactor = 64, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

COMMENT ON TABLE tokenauth.usage IS 'When and how often tokens were used';
COMMENT ON COLUMN tokenauth.usage.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.usage.last_used_at IS 'When it was last presented and found valid';
COMMENT ON COLUMN tokenauth.usage.request_count IS 'How often it was found valid';
COMMENT ON COLUMN tokenauth.usage.denied_count IS 'How often it was presented and denied';
COMMENT ON COLUMN tokenauth.usage.first_used_at IS 'When it was first found valid; NULL where the library is not preloaded';
COMMENT ON COLUMN tokenauth.usage.last_denied_at IS 'When it was last presented and denied; NULL where the library is not preloaded';
COMMENT ON COLUMN tokenauth.usage.last_client IS 'The address of the client that last presented it; NULL where none was given, or the library is not preloaded';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage', '');

-- An announcement is of one expiry: it no longer counts once the token's expiry changes.
CREATE TABLE tokenauth.announced (
    token_id   uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    term       interval NOT NULL,
    CONSTRAINT announced_pkey PRIMARY KEY (token_id)
);

COMMENT ON TABLE tokenauth.announced IS 'Tokens whose coming expiry was announced to listeners';
COMMENT ON COLUMN tokenauth.announced.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.announced.expires_at IS 'The expiry that was announced';
COMMENT ON COLUMN tokenauth.announced.term IS 'The time within which it was to expire: a week, then a day';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.announced', '');

-- Written together with usage, from shared memory. After seven days the worker folds the hours of a day into one row.
CREATE TABLE tokenauth.usage_hourly (
    token_id      uuid NOT NULL,
    hour          timestamptz NOT NULL,
    request_count bigint NOT NULL,
    denied_count  bigint NOT NULL,
    hours_used    smallint,
    period        text NOT NULL DEFAULT 'hour',
    networks      text[] NOT NULL,
    CONSTRAINT usage_hourly_pkey PRIMARY KEY (token_id, hour),
    CONSTRAINT usage_hourly_period_known CHECK (period IN ('hour', 'day')),
    CONSTRAINT usage_hourly_day_has_hours CHECK ((hours_used IS NOT NULL) = (period = 'day'))
) WITH (fillfactor = 70, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

-- Rows of one hour have equal entries, which are stored once.
CREATE INDEX usage_hourly_hour_idx ON tokenauth.usage_hourly (hour);
CREATE INDEX usage_hourly_unfolded_idx ON tokenauth.usage_hourly (hour) WHERE period = 'hour';

COMMENT ON TABLE tokenauth.usage_hourly IS 'How often tokens were used in each hour, after seven days on each day, and from which networks; needs the library preloaded';
COMMENT ON INDEX tokenauth.usage_hourly_hour_idx IS 'Finds recent rows, and old ones to remove';
COMMENT ON INDEX tokenauth.usage_hourly_unfolded_idx IS 'Finds hours to be folded into days';
COMMENT ON COLUMN tokenauth.usage_hourly.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.usage_hourly.hour IS 'When the hour, or the day, began in UTC';
COMMENT ON COLUMN tokenauth.usage_hourly.request_count IS 'How often it was found valid';
COMMENT ON COLUMN tokenauth.usage_hourly.denied_count IS 'How often it was presented and denied';
COMMENT ON COLUMN tokenauth.usage_hourly.hours_used IS 'In how many hours of a day it was found valid; NULL for an hour';
COMMENT ON COLUMN tokenauth.usage_hourly.period IS 'What the row sums up: hour or day';
COMMENT ON COLUMN tokenauth.usage_hourly.networks IS 'Networks of the clients that used it, /24 of IPv4 and /48 of IPv6; at most 32, and four between two flushes';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage_hourly', '');

-- The last batch of usage that each server's memory has written to the tables, stored in the same transaction: so no
-- batch is written twice, and a reader knows whether what it finds in memory is already in the tables it reads.
CREATE TABLE tokenauth.usage_batch (
    node  uuid NOT NULL,
    batch bigint NOT NULL,
    at    timestamptz NOT NULL,
    CONSTRAINT usage_batch_pkey PRIMARY KEY (node)
) WITH (fillfactor = 50, vacuum_truncate = off);

COMMENT ON TABLE tokenauth.usage_batch IS 'Internal: the last batch of each server''s usage that is in the tables';
COMMENT ON COLUMN tokenauth.usage_batch.node IS 'A random number for the memory of one server, from one start to the next';
COMMENT ON COLUMN tokenauth.usage_batch.batch IS 'The last batch';
COMMENT ON COLUMN tokenauth.usage_batch.at IS 'When it was written';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage_batch', '');

CREATE TYPE tokenauth.recent_usage AS (
    last_used_at  timestamptz,
    request_count bigint,
    denied_count  bigint
);

COMMENT ON TYPE tokenauth.recent_usage IS 'The usage of a token that shared memory has beyond the table';
COMMENT ON COLUMN tokenauth.recent_usage.last_used_at IS 'When it was last found valid';
COMMENT ON COLUMN tokenauth.recent_usage.request_count IS 'How often it was valid since the table was written';
COMMENT ON COLUMN tokenauth.recent_usage.denied_count IS 'How often it was denied since the table was written';

-- Never read or written: invalidating it tells backends that all they cache is out of date.
CREATE TABLE tokenauth.signal ();

COMMENT ON TABLE tokenauth.signal IS 'Internal: invalidated when backends must drop all that they cache';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.signal', '');

-- src/lib.rs:44
-- requires:
--   token

-- What a token was when it was issued is in its row, or in tokenauth.as_issued once that has changed; the view shows it.
-- No change of a token is recorded but by functions of ours, which see to that.
CREATE TABLE tokenauth.event (
    id             uuid NOT NULL,
    at             timestamptz NOT NULL,
    token_id       uuid,
    acting_token   uuid,
    event          text NOT NULL,
    kind           text,
    owner          text,
    actor          text,
    acting_label   text,
    role           text NOT NULL,
    session_role   text,
    client         text,
    before         jsonb,
    after          jsonb,
    correlation_id text,
    CONSTRAINT event_pkey PRIMARY KEY (id)
);

-- Without the id behind it, an index entry of an owner takes a fifth, since equal ones are stored once. Few owners have
-- so many events that sorting theirs takes long, and for those the planner walks the primary key. Neither index has a
-- condition: that would be prepared for each row, and what is NULL takes next to nothing. NULL comes first, so that the
-- newest token is at the end, where pages are filled.
CREATE INDEX event_token_id_idx ON tokenauth.event (token_id NULLS FIRST);
CREATE INDEX event_owner_idx ON tokenauth.event (owner);

COMMENT ON TABLE tokenauth.event IS 'History: one row for each change, written in its transaction; rows never change, and only purge() removes them';
COMMENT ON INDEX tokenauth.event_token_id_idx IS 'Finds the history of a token';
COMMENT ON INDEX tokenauth.event_owner_idx IS 'Finds the history of a principal and its tokens';
COMMENT ON COLUMN tokenauth.event.id IS 'Identifier, uuid version 7';
COMMENT ON COLUMN tokenauth.event.at IS 'When it happened';
COMMENT ON COLUMN tokenauth.event.event IS 'What happened, such as token.issued';
COMMENT ON COLUMN tokenauth.event.token_id IS 'The token concerned';
COMMENT ON COLUMN tokenauth.event.kind IS 'The kind concerned';
COMMENT ON COLUMN tokenauth.event.owner IS 'The principal concerned';
COMMENT ON COLUMN tokenauth.event.actor IS 'The principal that asked for it; NULL for a trusted call';
COMMENT ON COLUMN tokenauth.event.acting_token IS 'The token that authenticated the transaction; NULL when none did';
COMMENT ON COLUMN tokenauth.event.acting_label IS 'The label of that token, if it was derived from another';
COMMENT ON COLUMN tokenauth.event.role IS 'The effective user, whose access was used';
COMMENT ON COLUMN tokenauth.event.session_role IS 'The role that was logged in; NULL when it is the same';
COMMENT ON COLUMN tokenauth.event.client IS 'Address of the database client; NULL over a Unix socket';
COMMENT ON COLUMN tokenauth.event.before IS 'The changed fields as they were';
COMMENT ON COLUMN tokenauth.event.after IS 'The changed fields as they are now; NULL for a token that was issued, whose row has them';
COMMENT ON COLUMN tokenauth.event.correlation_id IS 'The id of the last verification before it in the same transaction; NULL: there was none';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.event', '');

CREATE TABLE tokenauth.key (
    id          text COLLATE "C" NOT NULL,
    check_value bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT key_pkey PRIMARY KEY (id),
    CONSTRAINT key_check_value_length CHECK (pg_catalog.octet_length(check_value) = 32)
);

COMMENT ON TABLE tokenauth.key IS 'Keys in use, so that a missing or wrong key can be told from an unknown token';
COMMENT ON COLUMN tokenauth.key.id IS 'Identifier of the key in the key file';
COMMENT ON COLUMN tokenauth.key.check_value IS 'HMAC-SHA-256 of a constant under the key';
COMMENT ON COLUMN tokenauth.key.created_at IS 'When the key was first used here';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.key', '');

-- src/lifecycle/disable.rs:35
-- tokenauth::lifecycle::disable::disable
CREATE  FUNCTION tokenauth."disable"(
	"id" uuid, /* Option < Uuid > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'disable_wrapper';

-- src/lifecycle/disable.rs:68
-- tokenauth::lifecycle::disable::enable
CREATE  FUNCTION tokenauth."enable"(
	"id" uuid, /* Option < Uuid > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'enable_wrapper';

-- src/lifecycle/grantable.rs:33
-- tokenauth::lifecycle::grantable::grantable
CREATE  FUNCTION tokenauth."grantable"(
	"kind" text, /* Option < Text > */
	"owner" text, /* Option < Text > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS text[] /* Result < Option < TextArray > , ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'grantable_wrapper';

-- src/lifecycle/import.rs:53
-- tokenauth::lifecycle::import::import
CREATE  FUNCTION tokenauth."import"(
	"kind" text, /* Option < Text > */
	"owner" text, /* Option < Text > */
	"digest" text, /* Option < Text > */
	"algorithm" text, /* Option < Text > */
	"name" text DEFAULT NULL, /* Option < Text > */
	"hint" text DEFAULT NULL, /* Option < Text > */
	"scopes" text[] DEFAULT NULL, /* Option < TextArray > */
	"expires_at" timestamptz DEFAULT NULL, /* Option < Timestamp > */
	"created_at" timestamptz DEFAULT NULL, /* Option < Timestamp > */
	"metadata" jsonb DEFAULT NULL, /* Option < Jsonb > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS uuid /* Result < Uuid, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'import_wrapper';

-- src/lifecycle/reseal.rs:32
-- tokenauth::lifecycle::reseal::reseal
CREATE  FUNCTION tokenauth."reseal"(
	"at_most" bigint DEFAULT 10000 /* Option < i64 > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'reseal_wrapper';

-- src/lifecycle/reveal.rs:39
-- tokenauth::lifecycle::reveal::reveal
CREATE  FUNCTION tokenauth."reveal"(
	"id" uuid, /* Option < Uuid > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS text /* Result < Plaintext, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'reveal_wrapper';

-- src/lifecycle/revoke.rs:44
-- tokenauth::lifecycle::revoke::revoke
CREATE  FUNCTION tokenauth."revoke"(
	"id" uuid, /* Option < Uuid > */
	"reason" text DEFAULT NULL, /* Option < Text > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'revoke_wrapper';

-- src/lifecycle/revoke.rs:78
-- tokenauth::lifecycle::revoke::revoke_presented
CREATE  FUNCTION tokenauth."revoke_presented"(
	"token" text, /* Option < PresentedText > */
	"reason" text DEFAULT NULL /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'revoke_presented_wrapper';

-- src/lifecycle/revoke.rs:108
-- tokenauth::lifecycle::revoke::delete
CREATE  FUNCTION tokenauth."delete"(
	"id" uuid, /* Option < Uuid > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'delete_wrapper';

-- src/lifecycle/revoke_all.rs:48
-- tokenauth::lifecycle::revoke_all::revoke_all
CREATE  FUNCTION tokenauth."revoke_all"(
	"owner" text DEFAULT '*', /* Option < Text > */
	"kind" text DEFAULT '*', /* Option < Text > */
	"issued_before" timestamptz DEFAULT 'infinity', /* Option < Timestamp > */
	"reason" text DEFAULT NULL, /* Option < Text > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS bigint /* Result < Option < i64 > , ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'revoke_all_wrapper';

-- src/operations/doctor.rs:53
-- tokenauth::operations::doctor::doctor
CREATE  FUNCTION tokenauth."doctor"(
	"compare" bool DEFAULT true /* Option < bool > */
) RETURNS TABLE (
	"area" text,  /* Text */
	"object" text,  /* Text */
	"finding" text,  /* Text */
	"hint" text  /* Text */
)
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'doctor_wrapper';

-- src/operations/library.rs:14
-- tokenauth::operations::library::require_library
-- Skipped due to `#[pgrx(sql = false)]`

-- src/operations/masking.rs:27
-- tokenauth::operations::masking::contains_token
CREATE  FUNCTION tokenauth."contains_token"(
	"text" text /* Text */
) RETURNS bool /* Result < bool, ErrorReport > */
IMMUTABLE STRICT PARALLEL SAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'contains_token_wrapper';

-- src/operations/masking.rs:49
-- tokenauth::operations::masking::mask
CREATE  FUNCTION tokenauth."mask"(
	"text" text /* Text */
) RETURNS text /* Result < Text, ErrorReport > */
IMMUTABLE STRICT PARALLEL SAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mask_wrapper';

-- src/operations/purge.rs:48
-- tokenauth::operations::purge::purge
CREATE  FUNCTION tokenauth."purge"(
	"keep" interval /* Option < Interval > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'purge_wrapper';

-- src/operations/report.rs:56
-- tokenauth::operations::report::report
CREATE  FUNCTION tokenauth."report"(

) RETURNS TABLE (
	"section" text,  /* Text */
	"item" text,  /* Text */
	"value" text  /* Text */
)
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'report_wrapper';

-- src/operations/revocations.rs:58
-- tokenauth::operations::revocations::export_revocations
CREATE  FUNCTION tokenauth."export_revocations"(
	"since" timestamptz /* Option < Timestamp > */
) RETURNS jsonb /* Result < Option < Jsonb > , ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'export_revocations_wrapper';

-- src/operations/revocations.rs:106
-- tokenauth::operations::revocations::import_revocations
CREATE  FUNCTION tokenauth."import_revocations"(
	"revocations" jsonb /* Option < Jsonb > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'import_revocations_wrapper';

-- src/operations/usage_transfer.rs:31
-- tokenauth::operations::usage_transfer::usage_export
CREATE  FUNCTION tokenauth."usage_export"(

) RETURNS jsonb /* Result < Option < Jsonb > , ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'usage_export_wrapper';

-- src/operations/usage_transfer.rs:83
-- tokenauth::operations::usage_transfer::usage_import
CREATE  FUNCTION tokenauth."usage_import"(
	"batch" jsonb /* Option < Jsonb > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'usage_import_wrapper';

-- src/principals/binding/bind.rs:62
-- tokenauth::principals::binding::bind::bind_principals

CREATE FUNCTION tokenauth.bind_principals(
    source regclass,
    type text,
    id text,
    active text DEFAULT NULL,
    permissions text DEFAULT NULL,
    data_scopes text DEFAULT NULL,
    display_name text DEFAULT NULL,
    state_reason text DEFAULT NULL
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'bind_principals_wrapper';

-- src/principals/binding/bind.rs:123
-- tokenauth::principals::binding::bind::bind_members
CREATE  FUNCTION tokenauth."bind_members"(
	"source" regclass, /* Option < Table > */
	"org" text, /* Option < Text > */
	"member" text, /* Option < Text > */
	"permissions" text DEFAULT NULL /* Option < Text > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'bind_members_wrapper';

-- src/principals/binding/bind.rs:214
-- tokenauth::principals::binding::bind::unbind_principals
CREATE  FUNCTION tokenauth."unbind_principals"(
	"source" regclass /* Option < Table > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'unbind_principals_wrapper';

-- src/principals/binding/sync.rs:43
-- tokenauth::principals::binding::sync::sync_principals
CREATE  FUNCTION tokenauth."sync_principals"(
	"source" regclass /* Option < Table > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sync_principals_wrapper';

-- src/principals/binding/trigger.rs:51
-- tokenauth::principals::binding::trigger::sync_principal
CREATE  FUNCTION tokenauth."sync_principal"(

) RETURNS trigger /* Result < TriggerAnswer, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sync_principal_wrapper';

-- src/principals/deactivate.rs:35
-- tokenauth::principals::deactivate::deactivate
CREATE  FUNCTION tokenauth."deactivate"(
	"principal" text, /* Option < Text > */
	"reason" text DEFAULT NULL /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'deactivate_wrapper';

-- src/principals/deactivate.rs:73
-- tokenauth::principals::deactivate::activate
CREATE  FUNCTION tokenauth."activate"(
	"principal" text /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'activate_wrapper';

-- src/principals/drop.rs:32
-- tokenauth::principals::drop::drop_principal
CREATE  FUNCTION tokenauth."drop_principal"(
	"principal" text /* Option < Text > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'drop_principal_wrapper';

-- src/principals/member.rs:42
-- tokenauth::principals::member::add_member
CREATE  FUNCTION tokenauth."add_member"(
	"org" text, /* Option < Text > */
	"member" text, /* Option < Text > */
	"permissions" text[] DEFAULT '{}' /* Option < TextArray > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'add_member_wrapper';

-- src/principals/member.rs:87
-- tokenauth::principals::member::remove_member
CREATE  FUNCTION tokenauth."remove_member"(
	"org" text, /* Option < Text > */
	"member" text /* Option < Text > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'remove_member_wrapper';

-- src/principals/put.rs:45
-- tokenauth::principals::put::put_principal
CREATE  FUNCTION tokenauth."put_principal"(
	"principal" text, /* Option < Text > */
	"permissions" text[] DEFAULT NULL, /* Option < TextArray > */
	"data_scopes" jsonb DEFAULT NULL, /* Option < Jsonb > */
	"active" bool DEFAULT NULL, /* Option < bool > */
	"state_reason" text DEFAULT NULL, /* Option < Text > */
	"display_name" text DEFAULT NULL /* Option < Text > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'put_principal_wrapper';

-- src/triggers/event.rs:15
-- tokenauth::triggers::event::refuse_change
CREATE  FUNCTION tokenauth."refuse_change"(

) RETURNS trigger /* Result < TriggerAnswer, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'refuse_change_wrapper';

-- src/triggers/invalidation.rs:30
-- tokenauth::triggers::invalidation::signal_change
CREATE  FUNCTION tokenauth."signal_change"(

) RETURNS trigger /* Result < TriggerAnswer, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'signal_change_wrapper';

-- src/triggers/invalidation.rs:53
-- tokenauth::triggers::invalidation::signal_token
CREATE  FUNCTION tokenauth."signal_token"(
	"was" bigint, /* i64 */
	"becomes" bigint /* i64 */
) RETURNS bool /* Result < bool, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'signal_token_wrapper';

-- src/triggers/invalidation.rs:68
-- tokenauth::triggers::invalidation::signal_principal
CREATE  FUNCTION tokenauth."signal_principal"(
	"was" text, /* Text */
	"becomes" text /* Text */
) RETURNS bool /* Result < bool, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'signal_principal_wrapper';

-- src/triggers/kind.rs:31
-- tokenauth::triggers::kind::guard_kind
CREATE  FUNCTION tokenauth."guard_kind"(

) RETURNS trigger /* Result < TriggerAnswer, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'guard_kind_wrapper';

-- src/triggers/kind.rs:74
-- tokenauth::triggers::kind::record_kind
CREATE  FUNCTION tokenauth."record_kind"(

) RETURNS trigger /* Result < TriggerAnswer, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'record_kind_wrapper';

-- src/usage/seen.rs:124
-- tokenauth::usage::seen::recent_usage
-- requires:
--   token
CREATE  FUNCTION tokenauth."recent_usage"(
	"token" uuid /* Uuid */
) RETURNS tokenauth.recent_usage /* Result < RecentUsage, ErrorReport > */
STRICT STABLE PARALLEL SAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'recent_usage_wrapper';

-- src/lib.rs:45
-- requires:
--   event
--   usage::seen::recent_usage

-- The status checks the same facts in the same order as verification. What it says of death and expiry, statements of
-- ours say in the same words (src/catalog/token/life.rs), and list() makes the same rows without it
-- (src/lifecycle/shown.rs).
CREATE VIEW tokenauth.tokens AS
SELECT CASE
           WHEN NOT (t.revoked_at IS NULL
                     AND p.dropped_at IS NULL
                     AND t.owner_epoch >= p.all_dead_before_epoch
                     AND (NOT t.dies_with_owner OR p.active AND t.owner_epoch >= p.revocable_dead_before_epoch))
                THEN 'revoked'
           WHEN t.disabled_at IS NOT NULL THEN 'disabled'
           WHEN t.not_before > c.now THEN 'not_yet_valid'
           WHEN t.expires_at <= c.now THEN 'expired'
           WHEN NOT p.active THEN 'suspended'
           ELSE 'active'
       END AS status,
       t.hint,
       t.owner,
       t.name,
       t.kind,
       t.expires_at,
       greatest(u.last_used_at, (m.recent).last_used_at) AS last_used_at,
       coalesce(u.request_count, 0) + coalesce((m.recent).request_count, 0) AS request_count,
       coalesce(u.denied_count, 0) + coalesce((m.recent).denied_count, 0) AS denied_count,
       t.created_at,
       t.created_by,
       t.description,
       pg_catalog.string_to_array(t.scopes, ' ') AS scopes,
       t.data_scopes,
       t.not_before,
       t.networks,
       -- A token shows one death: the first.
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.at ELSE t.revoked_at END AS revoked_at,
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.by ELSE t.revoked_by END AS revoked_by,
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.reason ELSE t.revoke_reason END AS revoke_reason,
       t.rotated_from,
       t.metadata,
       t.id
  FROM tokenauth.token t
  JOIN tokenauth.principal p ON p.principal = t.owner
  LEFT JOIN tokenauth.usage u ON u.token_id = t.id
 -- Once for each token, not once for each column.
 CROSS JOIN LATERAL (SELECT tokenauth.recent_usage(t.id) AS recent OFFSET 0) m
  CROSS JOIN (SELECT pg_catalog.clock_timestamp() AS now) c
  LEFT JOIN LATERAL (
       SELECT m.at, m.by, m.reason
         FROM tokenauth.mass_death m
        WHERE m.owner = t.owner
          AND m.epoch > t.owner_epoch
          AND (m.covers = 'all' OR t.dies_with_owner)
        ORDER BY m.epoch
        LIMIT 1) d ON true
 WHERE t.deleted_at IS NULL;

COMMENT ON VIEW tokenauth.tokens IS 'Every token that was not deleted, with its current status';
COMMENT ON COLUMN tokenauth.tokens.status IS 'active, disabled, not_yet_valid, expired, revoked or suspended';
COMMENT ON COLUMN tokenauth.tokens.hint IS 'Enough of the token text to recognise it';
COMMENT ON COLUMN tokenauth.tokens.owner IS 'The principal it acts for';
COMMENT ON COLUMN tokenauth.tokens.name IS 'For people';
COMMENT ON COLUMN tokenauth.tokens.kind IS 'The kind it belongs to';
COMMENT ON COLUMN tokenauth.tokens.expires_at IS 'When it stops working; NULL: never';
COMMENT ON COLUMN tokenauth.tokens.last_used_at IS 'When it was last found valid';
COMMENT ON COLUMN tokenauth.tokens.request_count IS 'How often it was found valid';
COMMENT ON COLUMN tokenauth.tokens.denied_count IS 'How often it was presented and denied';
COMMENT ON COLUMN tokenauth.tokens.created_at IS 'When it was issued';
COMMENT ON COLUMN tokenauth.tokens.created_by IS 'The principal, or role:name, that issued it';
COMMENT ON COLUMN tokenauth.tokens.description IS 'For people';
COMMENT ON COLUMN tokenauth.tokens.scopes IS 'The scopes it was granted; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.tokens.data_scopes IS 'The data scopes it was granted; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.tokens.not_before IS 'When it starts working; NULL: at once';
COMMENT ON COLUMN tokenauth.tokens.networks IS 'Networks it may be used from; NULL: any';
COMMENT ON COLUMN tokenauth.tokens.revoked_at IS 'When it died';
COMMENT ON COLUMN tokenauth.tokens.revoked_by IS 'The principal, or role:name, that killed it';
COMMENT ON COLUMN tokenauth.tokens.revoke_reason IS 'Why it died';
COMMENT ON COLUMN tokenauth.tokens.rotated_from IS 'The token it succeeded';
COMMENT ON COLUMN tokenauth.tokens.metadata IS 'The application''s own data';
COMMENT ON COLUMN tokenauth.tokens.id IS 'Public identifier';

-- The event of an issue does not repeat what the row of the token holds, or held until it was changed. Looked up for those
-- rows that are shown: a view that joins tables would not pass on the refusal to change history.
CREATE VIEW tokenauth.events AS
SELECT e.id,
       e.at,
       e.event,
       e.token_id,
       e.kind,
       e.owner,
       e.actor,
       e.acting_token,
       e.acting_label,
       e.role,
       e.session_role,
       e.client,
       e.before,
       CASE WHEN e.after IS NULL AND e.event IN ('token.issued', 'token.imported') THEN coalesce(
           (SELECT a.after FROM tokenauth.as_issued a WHERE a.token_id = e.token_id),
           (SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
                       'hint', t.hint,
                       'name', t.name,
                       'description', t.description,
                       'scopes', pg_catalog.string_to_array(t.scopes, ' '),
                       'data_scopes', t.data_scopes,
                       'expires_at', pg_catalog.to_jsonb(t.expires_at AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                       'not_before', pg_catalog.to_jsonb(t.not_before AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                       'networks', t.networks,
                       'metadata', t.metadata,
                       'rotated_from', t.rotated_from))
              FROM tokenauth.token t WHERE t.id = e.token_id))
           ELSE e.after END AS after,
       e.correlation_id
  FROM tokenauth.event e;

COMMENT ON VIEW tokenauth.events IS 'Every change of a kind, principal, membership or token, and samples of denials';
COMMENT ON COLUMN tokenauth.events.id IS 'Identifier, uuid version 7';
COMMENT ON COLUMN tokenauth.events.at IS 'When it happened';
COMMENT ON COLUMN tokenauth.events.event IS 'What happened, such as token.issued';
COMMENT ON COLUMN tokenauth.events.token_id IS 'The token concerned';
COMMENT ON COLUMN tokenauth.events.kind IS 'The kind concerned';
COMMENT ON COLUMN tokenauth.events.owner IS 'The principal concerned';
COMMENT ON COLUMN tokenauth.events.actor IS 'The principal that asked for it; NULL for a trusted call';
COMMENT ON COLUMN tokenauth.events.acting_token IS 'The token that authenticated the transaction; NULL when none did';
COMMENT ON COLUMN tokenauth.events.acting_label IS 'The label of that token, if it was derived from another';
COMMENT ON COLUMN tokenauth.events.role IS 'The effective user, whose access was used';
COMMENT ON COLUMN tokenauth.events.session_role IS 'The role that was logged in; NULL when it is the same';
COMMENT ON COLUMN tokenauth.events.client IS 'Address of the database client; NULL over a Unix socket';
COMMENT ON COLUMN tokenauth.events.before IS 'The changed fields as they were';
COMMENT ON COLUMN tokenauth.events.after IS 'The changed fields as they are now';
COMMENT ON COLUMN tokenauth.events.correlation_id IS 'The id of the last verification before it in the same transaction; NULL: there was none';

-- src/lib.rs:46
-- requires:
--   views

-- The results of issue() and of verification.
CREATE TYPE tokenauth.issued AS (
    token      text,
    id         uuid,
    hint       text,
    kind       text,
    owner      text,
    name       text,
    scopes     text[],
    created_at timestamptz,
    expires_at timestamptz
);

COMMENT ON TYPE tokenauth.issued IS 'A token just issued, with its text';
COMMENT ON COLUMN tokenauth.issued.token IS 'The token text; only reveal() can show it again, if the kind allows it';
COMMENT ON COLUMN tokenauth.issued.id IS 'Public identifier';
COMMENT ON COLUMN tokenauth.issued.hint IS 'Enough of the text to recognise it in lists';
COMMENT ON COLUMN tokenauth.issued.kind IS 'The kind it belongs to';
COMMENT ON COLUMN tokenauth.issued.owner IS 'The principal it acts for';
COMMENT ON COLUMN tokenauth.issued.name IS 'For people';
COMMENT ON COLUMN tokenauth.issued.scopes IS 'The scopes it grants now';
COMMENT ON COLUMN tokenauth.issued.created_at IS 'When it was issued';
COMMENT ON COLUMN tokenauth.issued.expires_at IS 'When it stops working; NULL: never';

CREATE TYPE tokenauth.verification AS (
    verdict        text,
    ok             boolean,
    http_status    integer,
    token_id       uuid,
    kind           text,
    owner          text,
    owner_type     text,
    owner_id       text,
    name           text,
    scopes         text[],
    data_scopes    jsonb,
    expires_at     timestamptz,
    metadata       jsonb,
    detail         jsonb,
    correlation_id text,
    derived        jsonb
);

COMMENT ON TYPE tokenauth.verification IS 'Outcome of a verification';
COMMENT ON COLUMN tokenauth.verification.verdict IS 'valid, or why the token was refused';
COMMENT ON COLUMN tokenauth.verification.ok IS 'Whether the verdict is valid';
COMMENT ON COLUMN tokenauth.verification.http_status IS 'The HTTP status for this verdict';
COMMENT ON COLUMN tokenauth.verification.token_id IS 'Id of the token; NULL unless its digest matched';
COMMENT ON COLUMN tokenauth.verification.kind IS 'Kind of the token; NULL unless its digest matched';
COMMENT ON COLUMN tokenauth.verification.owner IS 'The principal it acts for; NULL unless ok';
COMMENT ON COLUMN tokenauth.verification.owner_type IS 'Type of the owner; NULL unless ok';
COMMENT ON COLUMN tokenauth.verification.owner_id IS 'Id of the owner; NULL unless ok';
COMMENT ON COLUMN tokenauth.verification.name IS 'Name of the token; NULL unless its digest matched';
COMMENT ON COLUMN tokenauth.verification.scopes IS 'The scopes it grants now; NULL unless ok';
COMMENT ON COLUMN tokenauth.verification.data_scopes IS 'Allowed values by dimension, {} for unrestricted; NULL unless ok';
COMMENT ON COLUMN tokenauth.verification.expires_at IS 'When it stops working; NULL: never, or not ok';
COMMENT ON COLUMN tokenauth.verification.metadata IS 'The application''s own data; NULL unless ok';
COMMENT ON COLUMN tokenauth.verification.detail IS 'Facts about a refusal: state_reason, retry_after, missing scopes, what is wrong with the client';
COMMENT ON COLUMN tokenauth.verification.correlation_id IS 'Identifies this verification in logs and error bodies';
COMMENT ON COLUMN tokenauth.verification.derived IS 'Label and end of a derived token; NULL for any other';

CREATE TYPE tokenauth.rotation AS (
    predecessor              uuid,
    successor                uuid,
    predecessor_last_used_at timestamptz,
    successor_last_used_at   timestamptz,
    predecessor_in_use       boolean
);

COMMENT ON TYPE tokenauth.rotation IS 'How far a rotation has come';
COMMENT ON COLUMN tokenauth.rotation.predecessor IS 'The token that was rotated';
COMMENT ON COLUMN tokenauth.rotation.successor IS 'The token that took its place';
COMMENT ON COLUMN tokenauth.rotation.predecessor_last_used_at IS 'When the old one was last found valid';
COMMENT ON COLUMN tokenauth.rotation.successor_last_used_at IS 'When the new one was last found valid';
COMMENT ON COLUMN tokenauth.rotation.predecessor_in_use IS 'Whether the old one still works and was used since the new one was issued';

-- src/access/identity/authenticate.rs:122
-- tokenauth::access::identity::authenticate::sign_in
-- requires:
--   types
CREATE  FUNCTION tokenauth."sign_in"(
	"token" text, /* Option < PresentedText > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS tokenauth.verification /* Result < Verification, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sign_in_wrapper';

-- src/access/identity/authenticate.rs:149
-- tokenauth::access::identity::authenticate::sign_in_digest
-- requires:
--   types
CREATE  FUNCTION tokenauth."sign_in_digest"(
	"lookup" text, /* Option < Text > */
	"digest" bytea, /* Option < & [u8] > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS tokenauth.verification /* Result < Verification, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sign_in_digest_wrapper';

-- src/access/identity/authenticate.rs:176
-- tokenauth::access::identity::authenticate::sign_in_request
-- requires:
--   types
CREATE  FUNCTION tokenauth."sign_in_request"(
	"headers" jsonb, /* Option < Jsonb > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL, /* Option < Text > */
	"header" text DEFAULT NULL /* Option < Text > */
) RETURNS tokenauth.verification /* Result < Verification, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sign_in_request_wrapper';

-- src/lib.rs:47
-- requires:
--   types
--   triggers::kind::guard_kind
--   triggers::kind::record_kind
--   triggers::event::refuse_change
--   triggers::invalidation::signal_change
--   triggers::invalidation::signal_principal
--   triggers::invalidation::signal_token

-- The triggers of kind: checks beyond what a CHECK can express, and the events of changes.
CREATE TRIGGER guard
    BEFORE INSERT OR UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.guard_kind();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER guard;

COMMENT ON TRIGGER guard ON tokenauth.kind IS 'Checks scopes and types, and refuses changes that tokens depend on';

-- TRUNCATE deletes every kind. AFTER, so that the tokens may go in the same statement.
CREATE TRIGGER guard_truncate
    AFTER TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_kind();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER guard_truncate;

COMMENT ON TRIGGER guard_truncate ON tokenauth.kind IS 'Refuses to remove kinds that have tokens';

CREATE TRIGGER record
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.record_kind();

COMMENT ON TRIGGER record ON tokenauth.kind IS 'Records the change as an event';

-- BEFORE, while the kinds are still there to be recorded.
CREATE TRIGGER record_truncate
    BEFORE TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.record_kind();

COMMENT ON TRIGGER record_truncate ON tokenauth.kind IS 'Records each removed kind as an event';

-- Events are append-only, even for the extension's owner.
CREATE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON tokenauth.event
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.refuse_change();

ALTER TABLE tokenauth.event ENABLE ALWAYS TRIGGER append_only;

COMMENT ON TRIGGER append_only ON tokenauth.event IS 'Refuses every change of history';

-- Backends cache what verification reads; these triggers tell them what to drop. BEFORE the statement, so that functions
-- that it calls cache no rows that vanish if it fails. ALWAYS, since logical apply fires row triggers only, and a restore
-- may have switched to the role of a replica.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.kind
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_row
    AFTER UPDATE OR DELETE ON tokenauth.kind
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();

-- Of principals and tokens, millions may change at once. A changed row is told by the condition of a row trigger, which
-- is asked right after the change and answers false: the trigger itself, which would be queued for each row, never fires.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.principal
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_update
    AFTER UPDATE ON tokenauth.principal
    FOR EACH ROW WHEN (tokenauth.signal_principal(OLD.principal, NEW.principal)) EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_delete
    AFTER DELETE ON tokenauth.principal
    FOR EACH ROW WHEN (tokenauth.signal_principal(OLD.principal, OLD.principal)) EXECUTE FUNCTION tokenauth.signal_change();

CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.token
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_update
    AFTER UPDATE ON tokenauth.token
    FOR EACH ROW WHEN (tokenauth.signal_token(OLD.lookup, NEW.lookup)) EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_delete
    AFTER DELETE ON tokenauth.token
    FOR EACH ROW WHEN (tokenauth.signal_token(OLD.lookup, OLD.lookup)) EXECUTE FUNCTION tokenauth.signal_change();

-- Backends also cache that there are no imports, so here a new row is a change as well. There are few rows.
CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.import
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_apply
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.import
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_change();

ALTER TABLE tokenauth.kind ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_row;
ALTER TABLE tokenauth.principal
    ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_update, ENABLE ALWAYS TRIGGER signal_delete;
ALTER TABLE tokenauth.token
    ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_update, ENABLE ALWAYS TRIGGER signal_delete;
ALTER TABLE tokenauth.import ENABLE ALWAYS TRIGGER signal, ENABLE REPLICA TRIGGER signal_apply;

COMMENT ON TRIGGER signal ON tokenauth.kind IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal ON tokenauth.principal IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal ON tokenauth.token IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal ON tokenauth.import IS 'Makes every backend drop what it caches';
COMMENT ON TRIGGER signal_apply ON tokenauth.import IS 'The same for logical apply';
COMMENT ON TRIGGER signal_row ON tokenauth.kind IS 'Makes every backend drop what it caches of a changed kind and its tokens';
COMMENT ON TRIGGER signal_update ON tokenauth.principal IS 'Makes every backend drop what it caches of a changed row';
COMMENT ON TRIGGER signal_update ON tokenauth.token IS 'Makes every backend drop what it caches of a changed row';
COMMENT ON TRIGGER signal_delete ON tokenauth.principal IS 'Makes every backend drop what it caches of a removed row';
COMMENT ON TRIGGER signal_delete ON tokenauth.token IS 'Makes every backend drop what it caches of a removed row';

-- src/lifecycle/describe.rs:35
-- tokenauth::lifecycle::describe::describe
-- requires:
--   views
CREATE  FUNCTION tokenauth."describe"(
	"id" uuid, /* Option < Uuid > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS tokenauth.tokens /* Result < TokensRow, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'describe_wrapper';

-- src/lifecycle/edit.rs:59
-- tokenauth::lifecycle::edit::edit
-- requires:
--   views
CREATE  FUNCTION tokenauth."edit"(
	"id" uuid, /* Option < Uuid > */
	"name" text DEFAULT NULL, /* Option < Text > */
	"description" text DEFAULT NULL, /* Option < Text > */
	"scopes" text[] DEFAULT NULL, /* Option < TextArray > */
	"data_scopes" jsonb DEFAULT NULL, /* Option < Jsonb > */
	"expires_in" interval DEFAULT NULL, /* Option < Interval > */
	"expires_at" timestamptz DEFAULT NULL, /* Option < Timestamp > */
	"networks" text[] DEFAULT NULL, /* Option < TextArray > */
	"metadata" jsonb DEFAULT NULL, /* Option < Jsonb > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS tokenauth.tokens /* Result < Option < TokensRow > , ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'edit_wrapper';

-- src/lifecycle/issue.rs:43
-- tokenauth::lifecycle::issue::issue
-- requires:
--   types
CREATE  FUNCTION tokenauth."issue"(
	"kind" text, /* Option < Text > */
	"owner" text, /* Option < Text > */
	"name" text DEFAULT NULL, /* Option < Text > */
	"description" text DEFAULT NULL, /* Option < Text > */
	"scopes" text[] DEFAULT NULL, /* Option < TextArray > */
	"data_scopes" jsonb DEFAULT NULL, /* Option < Jsonb > */
	"expires_in" interval DEFAULT NULL, /* Option < Interval > */
	"expires_at" timestamptz DEFAULT NULL, /* Option < Timestamp > */
	"not_before" timestamptz DEFAULT NULL, /* Option < Timestamp > */
	"networks" text[] DEFAULT NULL, /* Option < TextArray > */
	"metadata" jsonb DEFAULT NULL, /* Option < Jsonb > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS tokenauth.issued /* Result < IssuedFields, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'issue_wrapper';

-- src/lifecycle/list.rs:53
-- tokenauth::lifecycle::list::list
-- requires:
--   views
CREATE  FUNCTION tokenauth."list"(
	"actor" text DEFAULT 'session', /* Option < Text > */
	"owner" text DEFAULT '*', /* Option < Text > */
	"kind" text DEFAULT '*', /* Option < Text > */
	"status" text DEFAULT '*', /* Option < Text > */
	"page_size" INT DEFAULT NULL, /* Option < i32 > */
	"after" uuid DEFAULT NULL /* Option < Uuid > */
) RETURNS SETOF tokenauth.tokens /* Result < TokensRows, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'list_wrapper';

-- src/lifecycle/rotate.rs:53
-- tokenauth::lifecycle::rotate::rotate
-- requires:
--   types
CREATE  FUNCTION tokenauth."rotate"(
	"id" uuid, /* Option < Uuid > */
	"grace" interval DEFAULT '0', /* Option < Interval > */
	"expires_in" interval DEFAULT NULL, /* Option < Interval > */
	"actor" text DEFAULT 'session' /* Option < Text > */
) RETURNS tokenauth.issued /* Result < IssuedFields, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'rotate_wrapper';

-- src/lifecycle/rotate.rs:86
-- tokenauth::lifecycle::rotate::rotation_status
-- requires:
--   types
CREATE  FUNCTION tokenauth."rotation_status"(
	"id" uuid /* Option < Uuid > */
) RETURNS tokenauth.rotation /* Result < Option < RotationRow > , ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'rotation_status_wrapper';

-- src/operations/expiring.rs:33
-- tokenauth::operations::expiring::expiring
-- requires:
--   views
CREATE  FUNCTION tokenauth."expiring"(
	"within" interval /* Option < Interval > */
) RETURNS SETOF tokenauth.tokens /* Result < TokensRows, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'expiring_wrapper';

-- src/operations/expiring.rs:57
-- tokenauth::operations::expiring::idle
-- requires:
--   views
CREATE  FUNCTION tokenauth."idle"(
	"within" interval /* Option < Interval > */
) RETURNS SETOF tokenauth.tokens /* Result < TokensRows, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'idle_wrapper';

-- src/operations/scan_column.rs:62
-- tokenauth::operations::scan_column::scan_column

CREATE FUNCTION tokenauth.scan_column(source regclass, col name)
RETURNS TABLE (
    relation regclass,
    row_ctid tid,
    "position" integer,
    hint text,
    status text,
    owner text,
    kind text,
    token_id uuid
)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'scan_column_wrapper';

-- src/usage/seen.rs:147
-- tokenauth::usage::seen::stats
CREATE  FUNCTION tokenauth."stats"(

) RETURNS TABLE (
	"verdict" TEXT,  /* & '_ str */
	"count" bigint,  /* i64 */
	"stats_reset" timestamptz  /* Option < Timestamp > */
)
STRICT VOLATILE PARALLEL SAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'stats_wrapper';

-- src/usage/unusual.rs:44
-- tokenauth::usage::unusual::unusual_activity
CREATE  FUNCTION tokenauth."unusual_activity"(
	"within" interval DEFAULT '1 day' /* Option < Interval > */
) RETURNS TABLE (
	"token" uuid,  /* Uuid */
	"signal" text,  /* Text */
	"evidence" jsonb  /* Jsonb */
)
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'unusual_activity_wrapper';

-- src/verify.rs:67
-- tokenauth::verify::verify
-- requires:
--   types
CREATE  FUNCTION tokenauth."verify"(
	"token" text, /* Option < PresentedText > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS tokenauth.verification /* Result < Verification, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'verify_wrapper';

-- src/verify.rs:95
-- tokenauth::verify::verify_digest
-- requires:
--   types
CREATE  FUNCTION tokenauth."verify_digest"(
	"lookup" text, /* Option < Text > */
	"digest" bytea, /* Option < & [u8] > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS tokenauth.verification /* Result < Verification, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'verify_digest_wrapper';

-- src/verify.rs:126
-- tokenauth::verify::verify_request
-- requires:
--   types
CREATE  FUNCTION tokenauth."verify_request"(
	"headers" jsonb, /* Option < Jsonb > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL, /* Option < Text > */
	"header" text DEFAULT NULL /* Option < Text > */
) RETURNS tokenauth.verification /* Result < Verification, ErrorReport > */
VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'verify_request_wrapper';

-- src/verify/covers.rs:32
-- tokenauth::verify::covers::covers
CREATE  FUNCTION tokenauth."covers"(
	"scopes" text[], /* TextArray */
	"scope" text /* Text */
) RETURNS bool /* Result < bool, ErrorReport > */
IMMUTABLE STRICT PARALLEL SAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'covers_wrapper';

-- src/verify/explain.rs:53
-- tokenauth::verify::explain::explain
CREATE  FUNCTION tokenauth."explain"(
	"token_or_id" text, /* Option < PresentedText > */
	"require" text[] DEFAULT '{}', /* Option < TextArray > */
	"client" text DEFAULT NULL /* Option < Text > */
) RETURNS TABLE (
	"step" text,  /* Text */
	"passed" bool,  /* bool */
	"reason" text  /* Text */
)
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'explain_wrapper';

-- src/verify/http.rs:61
-- tokenauth::verify::http::error_response
-- requires:
--   types
CREATE  FUNCTION tokenauth."error_response"(
	"v" tokenauth.verification /* VerificationArgument */
) RETURNS jsonb /* Result < Jsonb, ErrorReport > */
STRICT STABLE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'error_response_wrapper';

-- src/lib.rs:60
-- finalize
-- Runs last, once every function exists: comments on them, and who may call them.
COMMENT ON FUNCTION tokenauth.authenticate IS 'Authenticates the transaction by a token and returns the owner; raises when the token is refused';
COMMENT ON FUNCTION tokenauth.authenticate_digest IS 'As authenticate, given the SHA-256 of the token';
COMMENT ON FUNCTION tokenauth.authenticate_request IS 'As authenticate, for the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.sign_in IS 'Verifies a token; a valid one authenticates the transaction';
COMMENT ON FUNCTION tokenauth.sign_in_digest IS 'As sign_in, given the SHA-256 of the token';
COMMENT ON FUNCTION tokenauth.sign_in_request IS 'As sign_in, for the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.sign_out IS 'Ends the identity of the transaction, which cannot get another one';
COMMENT ON FUNCTION tokenauth.current_owner IS 'The principal that the transaction acts for; NULL when nobody is authenticated';
COMMENT ON FUNCTION tokenauth.current_owner_type IS 'The type of the principal that the transaction acts for';
COMMENT ON FUNCTION tokenauth.current_owner_id IS 'The id of the principal that the transaction acts for, without its type';
COMMENT ON FUNCTION tokenauth.current_token_id IS 'The id of the token that authenticated the transaction';
COMMENT ON FUNCTION tokenauth.current_kind IS 'The kind of the token that authenticated the transaction';
COMMENT ON FUNCTION tokenauth.current_scopes IS 'The scopes that the token granted when it authenticated the transaction';
COMMENT ON FUNCTION tokenauth.has_scope IS 'Whether the transaction is authenticated by a token that grants this scope';
COMMENT ON FUNCTION tokenauth.data_scope IS 'The allowed values of a dimension; NULL when unrestricted, none when nobody is authenticated';
COMMENT ON FUNCTION tokenauth.in_data_scope IS 'Whether the transaction is authenticated by a token that allows this value of a dimension';
COMMENT ON FUNCTION tokenauth.pre_request IS 'For PostgREST''s db-pre-request: authenticates the transaction by the request''s headers, or raises the response';
COMMENT ON FUNCTION tokenauth.grant_access IS 'Grants a role an access: identity, verify, self, manage, observe or admin';
COMMENT ON FUNCTION tokenauth.revoke_access IS 'Takes from a role what an access adds to those it includes';
COMMENT ON FUNCTION tokenauth.strip_grants IS 'Internal: revokes what default privileges grant while the extension is created';
COMMENT ON FUNCTION tokenauth.describe IS 'Returns the row of tokenauth.tokens with this id, if the actor may see it';
COMMENT ON FUNCTION tokenauth.disable IS 'Disables a token until it is enabled again; returns whether it changed';
COMMENT ON FUNCTION tokenauth.enable IS 'Enables a disabled token again; returns whether it changed';
COMMENT ON FUNCTION tokenauth.edit IS 'Changes a token, but not its text; NULL leaves a field as it is, an empty value clears it';
COMMENT ON FUNCTION tokenauth.grantable IS 'Returns the scopes that an actor could grant now; NULL when it may not issue';
COMMENT ON FUNCTION tokenauth.import IS 'Takes over a token of an older system by its digest, so that its holder can go on using it';
COMMENT ON FUNCTION tokenauth.issue IS 'Issues a token and returns it with its text, which is shown only here';
COMMENT ON FUNCTION tokenauth.list IS 'Returns the rows of tokenauth.tokens that the actor may see, newest first, a page at a time';
COMMENT ON FUNCTION tokenauth.reseal IS 'Seals token texts anew with the newest key; returns how many are left under older ones';
COMMENT ON FUNCTION tokenauth.reveal IS 'Returns the text of an active token again, if its kind keeps texts sealed';
COMMENT ON FUNCTION tokenauth.revoke IS 'Revokes a token for good; returns whether it was alive';
COMMENT ON FUNCTION tokenauth.revoke_presented IS 'Revokes the token that is presented (RFC 7009)';
COMMENT ON FUNCTION tokenauth.delete IS 'Revokes a token for good and removes it from every list; returns false when it was deleted before';
COMMENT ON FUNCTION tokenauth.revoke_all IS 'Revokes every selected token; returns how many were alive, NULL for more than 10,000';
COMMENT ON FUNCTION tokenauth.rotate IS 'Issues a successor with the same settings; the token itself works until the end of grace';
COMMENT ON FUNCTION tokenauth.rotation_status IS 'Returns how far a rotation has come, given the id of either token';
COMMENT ON FUNCTION tokenauth.doctor IS 'Lists what is not as it ought to be, and what to do about it';
COMMENT ON FUNCTION tokenauth.expiring IS 'Tokens that are alive and expire within this time, the first to expire first';
COMMENT ON FUNCTION tokenauth.idle IS 'Tokens that are alive and were neither issued nor used within this time, the longest idle first';
COMMENT ON FUNCTION tokenauth.contains_token IS 'Whether a text contains a token';
COMMENT ON FUNCTION tokenauth.mask IS 'The text with every token in it hidden except for its hint';
COMMENT ON FUNCTION tokenauth.purge IS 'Removes what has been dead for longer than this, at most 100,000 rows at a time; returns how many';
COMMENT ON FUNCTION tokenauth.report IS 'The state of things on one page: tokens by kind, expiring, idle, unusual, newly dead, drift, settings';
COMMENT ON FUNCTION tokenauth.export_revocations IS 'Returns what has died since then, for import_revocations() after an older backup was restored';
COMMENT ON FUNCTION tokenauth.import_revocations IS 'Applies here what export_revocations() reports from elsewhere; returns how many tokens and principals changed';
COMMENT ON FUNCTION tokenauth.scan_column IS 'Finds tokens in a column of a table or view: where each is, and whose it is';
COMMENT ON FUNCTION tokenauth.usage_export IS 'Returns a batch of the usage that this standby has counted, for usage_import on the primary; NULL when there is none';
COMMENT ON FUNCTION tokenauth.usage_import IS 'Adds a batch of usage from a standby, each batch once; returns the number of its tokens, 0 for a batch added before';
COMMENT ON FUNCTION tokenauth.bind_principals IS 'Keeps principals in step with the rows of a table from now on; returns how many were copied';
COMMENT ON FUNCTION tokenauth.bind_members IS 'Keeps memberships in step with the rows of a table from now on; returns how many were copied';
COMMENT ON FUNCTION tokenauth.unbind_principals IS 'Removes a binding; its principals or memberships stay as they are';
COMMENT ON FUNCTION tokenauth.sync_principals IS 'Repairs drift between a bound table and its principals or memberships; returns how many were repaired';
COMMENT ON FUNCTION tokenauth.sync_principal IS 'Trigger function: keeps principals or memberships in step with a table';
COMMENT ON FUNCTION tokenauth.deactivate IS 'Deactivates a principal: its tokens die or are suspended, as their kinds say; returns whether it was active';
COMMENT ON FUNCTION tokenauth.activate IS 'Makes a principal active again; returns whether it was inactive';
COMMENT ON FUNCTION tokenauth.drop_principal IS 'Drops a principal and kills all its tokens for good';
COMMENT ON FUNCTION tokenauth.add_member IS 'Makes a principal a member of an organisation, or changes what it holds there';
COMMENT ON FUNCTION tokenauth.remove_member IS 'Removes a member from an organisation; returns whether it was one';
COMMENT ON FUNCTION tokenauth.put_principal IS 'Makes a principal known or changes it; NULL leaves a field as it is';
COMMENT ON FUNCTION tokenauth.refuse_change IS 'Internal: trigger on tokenauth.event';
COMMENT ON FUNCTION tokenauth.signal_change IS 'Internal: trigger on the tables that verification reads';
COMMENT ON FUNCTION tokenauth.signal_token IS 'Internal: tells that a token has changed';
COMMENT ON FUNCTION tokenauth.signal_principal IS 'Internal: tells that a principal has changed';
COMMENT ON FUNCTION tokenauth.guard_kind IS 'Internal: trigger on tokenauth.kind';
COMMENT ON FUNCTION tokenauth.record_kind IS 'Internal: trigger on tokenauth.kind';
COMMENT ON FUNCTION tokenauth.recent_usage IS 'Internal: the usage of a token that only shared memory has, for the view tokens';
COMMENT ON FUNCTION tokenauth.stats IS 'How often each verdict was given in this database, on this server';
COMMENT ON FUNCTION tokenauth.unusual_activity IS 'Recent unusual use of tokens, with its evidence';
COMMENT ON FUNCTION tokenauth.covers IS 'Whether a list of scopes grants all of this scope or pattern';
COMMENT ON FUNCTION tokenauth.explain IS 'Shows why a token is accepted or refused, check by check';
COMMENT ON FUNCTION tokenauth.error_response IS 'Returns the HTTP response to a refused token: status, headers and body';
COMMENT ON FUNCTION tokenauth.verify IS 'Verifies a token, with the scopes it must grant and the address of the client';
COMMENT ON FUNCTION tokenauth.verify_digest IS 'Verifies a token by its SHA-256, so that its text never reaches the server';
COMMENT ON FUNCTION tokenauth.verify_request IS 'Verifies the token in the headers of an HTTP request';

-- Nothing is granted to anybody. Inside CREATE EXTENSION too, the installing role's default privileges apply, and
-- PostgreSQL itself opens functions and types to PUBLIC: both are revoked here.
SELECT tokenauth.strip_grants();
