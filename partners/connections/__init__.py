"""Connections to partners: OAuth, troubles, alerts."""
