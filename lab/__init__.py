"""Rehearsals: the whole story on real processes and real HTTP, and how fast it is. Nothing here runs in production."""
