"""The WSGI application for gunicorn."""

from collections.abc import Iterable
from importlib import import_module
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from audiencesync.core.process.call_stack import with_large_stack
from audiencesync.core.process.start import exit_if_unsafe

exit_if_unsafe()
handler = get_wsgi_application()
# The URLs are imported now: otherwise the first request would wait for that, and some API clients
# wait only two seconds.
import_module(settings.ROOT_URLCONF)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request (PEP 3333)."""
    return with_large_stack(handler, environ, start_response)
