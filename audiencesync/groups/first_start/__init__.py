"""The first account and the first app group of an installation."""
