"""CSV import: a file of people becomes profiles, chunk by chunk, and can be killed at any moment."""
