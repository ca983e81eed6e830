"""The WSGI door for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from audiencesync.start import refuse_if_unsafe

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audiencesync.settings")
refuse_if_unsafe()
application = get_wsgi_application()
