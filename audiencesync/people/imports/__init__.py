"""CSV import: rows become profiles, chunk by chunk; a killed import resumes at any point."""
