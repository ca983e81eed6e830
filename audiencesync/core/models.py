"""The table of the core app."""

from django.db import models


class BeatSlot(models.Model):
    """The last claimed time slot of a periodic job, or the end of a lease on one (see beat.py), in
    ms since 1970.
    """

    name = models.CharField(max_length=40, primary_key=True)
    slot = models.BigIntegerField(default=0)

    class Meta:
        app_label = "groups"  # the app that its table was created in

    def __str__(self) -> str:
        return f"{self.name}: {self.slot}"
