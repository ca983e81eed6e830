"""Canvases, their steps, and the visits of profiles."""
