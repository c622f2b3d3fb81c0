"""API tokens for FastAPI, verified by PostgreSQL. Copy this file into your application.

    @app.get("/devices")
    async def devices(token: Annotated[Token, require("devices:read")]):
        cursor = await token.connection.execute("SELECT name FROM device")
        return [name async for (name,) in cursor]

A request is one transaction on a connection of the psycopg 3 pool in `app.state.pool`. Its first statement verifies the
token and gives the transaction the identity of the token's owner, which row security policies ask for. The identity
ends with the transaction, so the next request on the same connection begins as nobody.

A handler that raises is rolled back. Otherwise what it has changed is committed before the response is sent.
"""

import logging

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection, OperationalError
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row, scalar_row
from psycopg.types.json import Jsonb

log = logging.getLogger("tokenauth")

# Raises no error for a bad token, but returns the response to send. psycopg sends the token beside the statement, so
# no log shows it; psycopg's ClientCursor, or psycopg2, would write it into the statement.
SIGN_IN = """
    SELECT v.ok, v.verdict, v.owner, v.scopes, v.correlation_id,
           CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS response
      FROM tokenauth.sign_in_request(%s, require => %s, client => %s) v
"""

# The headers that can contain a token. The database gets no others.
CREDENTIALS = ("authorization", "x-api-key")


class Token:
    """The token of a request, as long as its handler runs."""

    def __init__(self, connection: AsyncConnection, owner: str, scopes: list[str]):
        self._connection = connection
        self.owner = owner
        self.scopes = scopes

    @property
    def connection(self) -> AsyncConnection:
        """The connection on which the handler works as the token's owner; afterwards it is another request's."""
        if self._connection is None:
            raise RuntimeError("the handler of this request has ended")
        return self._connection

    async def covers(self, scope: str) -> bool:
        """Whether the token grants this scope too, for what only the handler can decide."""
        cursor = self.connection.cursor(row_factory=scalar_row)
        await cursor.execute("SELECT tokenauth.covers(%s, %s)", (self.scopes, scope))
        return await cursor.fetchone()


class Refused(Exception):
    """The token is not accepted. Has the response that the database made."""

    def __init__(self, response: dict):
        super().__init__("the token is not accepted")
        self.response = response


def require(*scopes: str):
    """What a route depends on that only tokens granting these scopes may call."""

    async def enter(request: Request, response: Response):
        headers = {name: request.headers.getlist(name) for name in CREDENTIALS}
        # Behind a proxy, let uvicorn read the header that your proxy sets (--forwarded-allow-ips).
        client = request.client.host if request.client else None
        async with request.app.state.pool.connection() as connection:
            cursor = connection.cursor(row_factory=namedtuple_row)
            await cursor.execute(SIGN_IN, (Jsonb(headers), list(scopes), client))
            v = await cursor.fetchone()
            log.info("%s %s %s", v.correlation_id, v.verdict, v.owner)
            if v.ok:
                # Caches know that an answer to Authorization is nobody else's, but nothing of X-API-Key.
                response.headers["Cache-Control"] = "no-store"
                token = Token(connection, v.owner, v.scopes)
                try:
                    yield token
                finally:
                    token._connection = None
                # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and with no error.
                if connection.info.transaction_status == TransactionStatus.INERROR:
                    raise RuntimeError("the handler has overlooked an error of the database")
        # A refusal is committed as well: without shared memory, the transaction itself writes the usage.
        if not v.ok:
            raise Refused(v.response)

    # With the scope "request", which is the default, the commit would come after the response.
    return Depends(enter, scope="function")


def install(app: FastAPI):
    """Lets the application answer for this file: with what the database says of a bad token, or 503 without one."""

    @app.exception_handler(Refused)
    async def refuse(_: Request, refused: Refused):
        response = refused.response
        return JSONResponse(response["body"], response["status"], response["headers"])

    @app.exception_handler(OperationalError)
    async def wait(_: Request, error: OperationalError):
        log.error("%s", error)
        body = {"error": "unavailable", "message": "Please try again"}
        return JSONResponse(body, 503, {"Retry-After": "1"})
