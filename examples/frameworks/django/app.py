"""The project that the tests call. PGHOST, PGUSER and PGDATABASE say where its database is."""

import json
import os

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["PGHOST"],
            "USER": os.environ["PGUSER"],
            "NAME": os.environ["PGDATABASE"],
            "OPTIONS": {"pool": {"min_size": 1, "max_size": 2, "timeout": 3}},
        }
    },
    LOGGING={
        "version": 1,
        "handlers": {"stderr": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
    },
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "tokenauth.TokenMiddleware"],
    ROOT_URLCONF=__name__,
)

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from django.db import IntegrityError, connection, models, transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from tokenauth import require_token  # noqa: E402


class Device(models.Model):
    name = models.TextField(primary_key=True)
    address = models.GenericIPAddressField()

    class Meta:
        app_label = "devices"
        db_table = "device"
        managed = False


@require_token("devices:read")
def devices(request):
    shows_address = request.token.covers("addresses:read")
    found = Device.objects.order_by("name").values("name", "address")
    found = [device if shows_address else {**device, "address": None} for device in found]
    return JsonResponse(found, safe=False)


@require_token("devices:write")
def add(request):
    try:
        with transaction.atomic():
            save(request)
    except IntegrityError:
        return JsonResponse({"error": "conflict"}, status=409)
    return JsonResponse({}, status=201)


@require_token("devices:write")
def add_carelessly(request):
    try:
        save(request)
    except IntegrityError:
        pass
    return JsonResponse({}, status=201)


def save(request):
    with connection.cursor() as cursor:
        for name in json.loads(request.body)["names"]:
            cursor.execute("INSERT INTO device (name) VALUES (%s)", [name])


def health(request):
    """Needs no token, and so nobody is authenticated."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tokenauth.current_owner()")
        return JsonResponse({"owner": cursor.fetchone()[0]})


urlpatterns = [
    path("devices", devices),
    path("devices/new", add),
    path("careless", add_carelessly),
    path("health", health),
]
