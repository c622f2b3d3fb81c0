"""API tokens for Django, verified by PostgreSQL. Copy this file into your project and name it last in MIDDLEWARE.

    @require_token("devices:read")
    def devices(request):
        return JsonResponse({"devices": list(Device.objects.values("name"))})

A call of such a view is one transaction. Its first statement verifies the token and gives the transaction the identity
of the token's owner, which row security policies ask for, whatever the view asks through the ORM. The identity ends
with the transaction, so the next request on the same connection begins as nobody.

A view that raises, or that answers with 400 or more, is rolled back. Otherwise what it has changed is committed before
the response is sent. Views without the mark are called as ever, as nobody. Views must be synchronous.
"""

import json
import logging

from django.db import OperationalError, connection, transaction
from django.http import HttpResponse, JsonResponse
from psycopg import Cursor
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

log = logging.getLogger("tokenauth")

# Raises no error for a bad token, but returns the response to send.
SIGN_IN = """
    SELECT v.ok, v.verdict, v.owner, v.scopes, v.correlation_id,
           CASE WHEN NOT v.ok THEN tokenauth.error_response(v)::text END AS response
      FROM tokenauth.sign_in_request(%s, require => %s, client => %s) v
"""

# The headers that can contain a token. The database gets no others.
CREDENTIALS = ("Authorization", "X-API-Key")


def require_token(*scopes):
    """Marks a view that only tokens granting these scopes may call."""

    def mark(view):
        view.required_scopes = list(scopes)
        return view

    return mark


class Token:
    """The token of a request, as `request.token`."""

    def __init__(self, owner, scopes):
        self.owner = owner
        self.scopes = scopes

    def covers(self, scope):
        """Whether the token grants this scope too, for what only the view can decide."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT tokenauth.covers(%s, %s)", (self.scopes, scope))
            return cursor.fetchone()[0]


class TokenMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        """Calls a view that is marked; leaves any other to Django."""
        scopes = getattr(view, "required_scopes", None)
        if scopes is None:
            return None
        try:
            with transaction.atomic():
                v = sign_in(request, scopes)
                log.info("%s %s %s", v.correlation_id, v.verdict, v.owner)
                if v.ok:
                    request.token = Token(v.owner, v.scopes)
                    return end(view(request, *args, **kwargs))
        except OperationalError as error:
            # The database cannot be asked now, so nobody is let in.
            log.error("%s", error)
            body = {"error": "unavailable", "message": "Please try again"}
            return JsonResponse(body, status=503, headers={"Retry-After": "1"})
        # A refusal is committed as well: without shared memory, the transaction itself writes the usage.
        response = json.loads(v.response)
        return HttpResponse(json.dumps(response["body"]), status=response["status"], headers=response["headers"])


def sign_in(request, scopes):
    headers = {name: request.headers[name] for name in CREDENTIALS if name in request.headers}
    # Behind a proxy this is the proxy's address: then read the header that your proxy sets, and trust only the proxy.
    client = request.META.get("REMOTE_ADDR")
    # psycopg's cursor sends the token beside the statement. Django's own would write it into the statement, and so into
    # logs, unless OPTIONS has "server_side_binding".
    with connection.wrap_database_errors, Cursor(connection.connection, row_factory=namedtuple_row) as cursor:
        return cursor.execute(SIGN_IN, (Jsonb(headers), scopes, client)).fetchone()


def end(response):
    """Decides whether the view's transaction is committed."""
    # Caches know that an answer to Authorization is nobody else's, but nothing of X-API-Key.
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status_code >= 400:
        transaction.set_rollback(True)
    # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and with no error.
    elif connection.connection.info.transaction_status == TransactionStatus.INERROR:
        raise RuntimeError("the view has overlooked an error of the database")
    return response
