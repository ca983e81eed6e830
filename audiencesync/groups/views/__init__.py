"""Pages of the groups app."""
