"""How people are found, written and merged."""
