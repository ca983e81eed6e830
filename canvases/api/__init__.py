"""The REST API about canvases."""
