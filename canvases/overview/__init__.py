"""The first page of an app group: what needs attention, what was sent, what is live."""
