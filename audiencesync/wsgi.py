"""The WSGI application for gunicorn."""

from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from audiencesync.core.process.start import exit_if_unsafe

exit_if_unsafe()
application = get_wsgi_application()
# The URLs are imported now: otherwise the first request would wait for that, and some API clients
# wait only two seconds.
import_module(settings.ROOT_URLCONF)
