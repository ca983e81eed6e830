"""The one table of the ground floor."""

from django.db import models


class BeatSlot(models.Model):
    """Which slot of a beat was claimed last, or until when some work is somebody's (audiencesync/core/beat.py)."""

    name = models.CharField(max_length=40, primary_key=True)
    slot = models.BigIntegerField(default=0)

    class Meta:
        app_label = "groups"  # its table began there

    def __str__(self) -> str:
        return f"{self.name}: {self.slot}"
