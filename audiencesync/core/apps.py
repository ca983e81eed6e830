"""App configuration."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from audiencesync.core import checks
from audiencesync.core.database import postgresql, sqlite
from audiencesync.core.process import interpreter


class CoreConfig(AppConfig):
    """The core app."""

    name = "audiencesync.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks; tune the database connections and the interpreter."""
        checks.register()
        sqlite.expect_json()
        connection_created.connect(postgresql.tune)
        interpreter.tune()
