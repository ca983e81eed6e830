"""What an open page shows of its flow, as a short text that it sends back with each poll."""

from canvases.views.counters.version import Changes, changes, version

__all__ = ["Changes", "changes", "version"]
