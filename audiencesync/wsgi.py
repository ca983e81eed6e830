"""The WSGI door for gunicorn."""

from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from audiencesync.core.start import refuse_if_unsafe

refuse_if_unsafe()
application = get_wsgi_application()
import_module(
    settings.ROOT_URLCONF
)  # else the first caller waits for it, and programs wait two seconds at most
