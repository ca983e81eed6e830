"""Incidents: find the present troubles, and keep one row for each. Texts are in partners/health."""
