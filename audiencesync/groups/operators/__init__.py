"""Django's admin for operators: every table, read-only except for two columns of users."""
