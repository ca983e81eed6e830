"""The whole story on real processes and real HTTP."""
