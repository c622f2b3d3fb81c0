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
