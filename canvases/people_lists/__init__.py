"""The people behind every number: one list, in pages and as a CSV file."""
