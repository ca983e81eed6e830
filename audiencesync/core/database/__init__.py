"""SQLite settings, migration lock, statement time limit, backups, and the move from SQLite to
PostgreSQL.
"""
