"""Date formats where those of Django do not fit; only differences are listed."""
