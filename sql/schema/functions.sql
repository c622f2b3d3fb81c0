-- Runs last, once every function exists: what each is for, and who may call it.
COMMENT ON FUNCTION tokenauth.put_principal IS 'Makes a principal known or changes it; NULL leaves a field as it is';
COMMENT ON FUNCTION tokenauth.deactivate IS 'Deactivates a principal: its tokens die or are suspended; returns whether it was active';
COMMENT ON FUNCTION tokenauth.activate IS 'Makes a principal active again; returns whether it was not';
COMMENT ON FUNCTION tokenauth.drop_principal IS 'Drops a principal: all its tokens die for good';
COMMENT ON FUNCTION tokenauth.add_member IS 'Makes a principal a member of an organisation, or changes what it holds there';
COMMENT ON FUNCTION tokenauth.remove_member IS 'Removes a member from an organisation; returns whether it was one';
COMMENT ON FUNCTION tokenauth.grantable IS 'The scopes that an actor could grant now; NULL when it may not issue';
COMMENT ON FUNCTION tokenauth.rotate IS 'Issues a successor; the token itself works until the end of grace';
COMMENT ON FUNCTION tokenauth.rotation_status IS 'How far a rotation has come, by the id of either token';
COMMENT ON FUNCTION tokenauth.bind_principals IS 'Makes the rows of a table principals, from now on; returns how many it has copied';
COMMENT ON FUNCTION tokenauth.bind_members IS 'Makes the rows of a table memberships, from now on; returns how many it has copied';
COMMENT ON FUNCTION tokenauth.unbind_principals IS 'Removes a binding; its principals or memberships stay as they are';
COMMENT ON FUNCTION tokenauth.sync_principals IS 'Repairs drift between a bound table and its principals or memberships; returns how many it put right';
COMMENT ON FUNCTION tokenauth.sync_principal IS 'Trigger: keeps principals, or memberships, in step with a table';
COMMENT ON FUNCTION tokenauth.doctor IS 'Tells what is not as it ought to be, and what to do about it';
COMMENT ON FUNCTION tokenauth.issue IS 'Issues a token and returns it, with its text, this once';
COMMENT ON FUNCTION tokenauth.import IS 'Takes over a token of an older system by its digest, so that its holder can go on using it';
COMMENT ON FUNCTION tokenauth.edit IS 'Changes a token; NULL leaves a field, an empty value clears it';
COMMENT ON FUNCTION tokenauth.revoke IS 'Revokes a token for good; returns whether it was alive';
COMMENT ON FUNCTION tokenauth.revoke_presented IS 'Revokes the token that is presented (RFC 7009)';
COMMENT ON FUNCTION tokenauth.revoke_all IS 'Revokes every token selected; returns how many alive ones died, NULL for more than 10,000';
COMMENT ON FUNCTION tokenauth.disable IS 'Disables a token until it is enabled again; returns whether that changed anything';
COMMENT ON FUNCTION tokenauth.enable IS 'Enables a disabled token; returns whether that changed anything';
COMMENT ON FUNCTION tokenauth.delete IS 'Revokes a token for good and takes it off every list';
COMMENT ON FUNCTION tokenauth.reveal IS 'Shows the text of an active token again, if its kind keeps texts sealed';
COMMENT ON FUNCTION tokenauth.reseal IS 'Seals token texts anew with the newest key; returns how many are left under older ones';
COMMENT ON FUNCTION tokenauth.list IS 'Rows of tokenauth.tokens that the actor may see, newest first';
COMMENT ON FUNCTION tokenauth.verify IS 'Verifies a token, for these scopes and from this client address';
COMMENT ON FUNCTION tokenauth.verify_digest IS 'Verifies a token by its SHA-256, so that its text never reaches the server';
COMMENT ON FUNCTION tokenauth.verify_request IS 'Verifies the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.explain IS 'Why a token is accepted or refused, check by check';
COMMENT ON FUNCTION tokenauth.error_response IS 'What to answer over HTTP: status, headers and body';
COMMENT ON FUNCTION tokenauth.contains_token IS 'Whether a text holds a token';
COMMENT ON FUNCTION tokenauth.mask IS 'The text with every token in it hidden but for its hint';
COMMENT ON FUNCTION tokenauth.scan_column IS 'Finds tokens in a column of a table or view: where each is, and whose';
COMMENT ON FUNCTION tokenauth.grant_access IS 'Grants a role an access: verify, self, manage, observe or admin';
COMMENT ON FUNCTION tokenauth.revoke_access IS 'Takes from a role what an access adds to those it includes';
COMMENT ON FUNCTION tokenauth.strip_grants IS 'Internal: takes back grants by default privileges, while the extension is created';
COMMENT ON FUNCTION tokenauth.signal_change IS 'Internal: trigger on the tables that verification reads';
COMMENT ON FUNCTION tokenauth.guard_kind IS 'Internal: trigger on tokenauth.kind';
COMMENT ON FUNCTION tokenauth.record_kind IS 'Internal: trigger on tokenauth.kind';
COMMENT ON FUNCTION tokenauth.refuse_change IS 'Internal: trigger on tokenauth.event';

-- Nothing is granted to anybody. Default privileges of the installing role apply inside CREATE EXTENSION too, and
-- functions and types are open to PUBLIC by PostgreSQL's own default: both are taken back here.
SELECT tokenauth.strip_grants();
