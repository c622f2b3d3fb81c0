"""Tokens of tokenauth in a Python application, with psycopg 3.

Presents the tokens in the environment variables LITERAL_TOKEN, BIND_TOKEN and DIGEST_TOKEN, each in the form that the
name says. The variables of libpq (PGHOST, PGUSER, PGDATABASE, ...) say where the database is; ../schema.sql sets it up.
"""

import hashlib
import os
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg import errors
from psycopg.rows import namedtuple_row

VERIFY = """
    SELECT v.*, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS response
      FROM tokenauth.verify(%s, require => %s) v
"""
VERIFY_DIGEST = VERIFY.replace("verify(%s,", "verify_digest(%s, %s,")


class Bind:
    """The token is a bind parameter: psycopg sends all parameters separately from the statement."""

    cursor_factory = psycopg.Cursor

    def verify(self, conn, token, *require):
        return conn.execute(VERIFY, (token, list(require))).fetchone()

    def authenticate(self, conn, token):
        conn.execute("SELECT tokenauth.authenticate(%s)", (token,))


class Literal(Bind):
    """The same, but psycopg writes the parameters into the statement, as psycopg2 did, so logs show the token."""

    cursor_factory = psycopg.ClientCursor


class Digest:
    """The server never sees the token: it gets only the lookup, which is public, and the SHA-256."""

    cursor_factory = psycopg.Cursor

    def verify(self, conn, token, *require):
        return conn.execute(VERIFY_DIGEST, (*self.digested(token), list(require))).fetchone()

    def authenticate(self, conn, token):
        conn.execute("SELECT tokenauth.authenticate_digest(%s, %s)", self.digested(token))

    def digested(self, token):
        # The lookup is followed by 32 characters of secret and 6 of checksum.
        return token[:-38], hashlib.sha256(token.encode()).digest()


@contextmanager
def authenticated(conn, form, token):
    """A transaction that is authenticated by the token: it sees its owner's rows and manages tokens as its owner."""
    with conn.transaction():
        form.authenticate(conn, token)
        yield conn


def present(form, token):
    with psycopg.connect(autocommit=True, cursor_factory=form.cursor_factory, row_factory=namedtuple_row) as conn:
        # A request takes one statement, which returns who it is or, for a refused token, the response to send.
        v = form.verify(conn, token, "devices:read")
        print(f"{v.verdict} {v.http_status}: {v.owner} by {v.token_id!r} until {v.expires_at.isoformat()}")
        print(f"  scopes {v.scopes!r}, data scopes {v.data_scopes!r}, response {v.response!r}")
        v = form.verify(conn, token, "devices:read", "devices:write")
        print(f"{v.verdict} {v.http_status}: {v.detail!r}, challenge {v.response['headers']['WWW-Authenticate']!r}")

        # In an authenticated transaction, policies do the rest; without a token they show nothing.
        print("devices without a token:", conn.execute("SELECT name FROM device").fetchall())
        with authenticated(conn, form, token):
            for device in conn.execute("SELECT name, address FROM device ORDER BY name"):
                print(f"device {device.name} at {device.address!r}")

        # The holder manages tokens with the token. The text of a new one is returned once and never again.
        with authenticated(conn, form, token):
            owner = conn.execute("SELECT tokenauth.current_owner() AS owner").fetchone().owner
            issued = conn.execute(
                "SELECT * FROM tokenauth.issue('api', %s, 'CI', scopes => %s, networks => %s, expires_in => %s)",
                (owner, ["devices:read"], ["192.0.2.0/24"], timedelta(days=30)),
            ).fetchone()
            lifetime = issued.expires_at - issued.created_at
            print(f"issued {issued.hint} for {lifetime!r}, {len(issued.token)} characters")
            rotated = conn.execute(
                "SELECT * FROM tokenauth.rotate(%s, grace => %s)", (issued.id, timedelta(hours=1))
            ).fetchone()
            status = conn.execute("SELECT * FROM tokenauth.rotation_status(%s)", (rotated.id,)).fetchone()
            print("rotated:", (status.predecessor, status.successor) == (issued.id, rotated.id))
            for t in conn.execute(
                "SELECT name, status, networks, request_count FROM tokenauth.list(kind => 'api') WHERE rotated_from = %s",
                (issued.id,),
            ):
                print(f"listed {t.name}: {t.status}, networks {t.networks!r}, used {t.request_count!r} times")
            for id in (rotated.id, rotated.id):
                revoked = conn.execute("SELECT tokenauth.revoke(%s, 'no longer needed') AS was_alive", (id,)).fetchone()
                print("revoked, was alive:", revoked.was_alive)

        # Anything that is not allowed raises an error, and the transaction is rolled back.
        try:
            with authenticated(conn, form, token):
                conn.execute("SELECT token FROM tokenauth.issue('api', 'user:1', scopes => '{devices:write}', expires_in => '30 days')")
        except errors.InsufficientPrivilege as error:
            print(f"{error.sqlstate}: {error.diag.message_primary}")
        try:
            with authenticated(conn, form, token):
                conn.execute("SELECT token FROM tokenauth.issue('robot', 'user:1')")
        except errors.UndefinedObject as error:
            print(f"{error.sqlstate}: {error.diag.message_primary}; {error.diag.message_hint}")

        # The token is dead as soon as this transaction has committed.
        with authenticated(conn, form, token):
            conn.execute("SELECT tokenauth.revoke(tokenauth.current_token_id())")
        v = form.verify(conn, token, "devices:read")
        print(f"{v.verdict} {v.http_status}: {v.owner!r}, scopes {v.scopes!r}, body {v.response['body']['error']!r}")
        try:
            with authenticated(conn, form, token):
                print("no program comes here")
        except errors.InvalidAuthorizationSpecification as error:
            print(f"{error.sqlstate}: {error.diag.message_primary}")


if __name__ == "__main__":
    for form in (Literal, Bind, Digest):
        print(f"-- {form.__name__.lower()}")
        present(form(), os.environ[f"{form.__name__.upper()}_TOKEN"])
