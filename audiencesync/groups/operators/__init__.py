"""Django's admin for operators: every table, read-only where a law or the engine holds the rows."""
