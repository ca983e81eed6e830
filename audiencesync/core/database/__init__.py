"""What both databases need: SQLite's settings, migrations, backups, moving from one to the other."""
