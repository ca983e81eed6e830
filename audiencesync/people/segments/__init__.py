"""Filters over people, and the pages' forms for them."""
