"""The version of what an open page shows: a short text that the page sends with each poll."""

from canvases.views.counters.version import Changes, changes, version

__all__ = ["Changes", "changes", "version"]
