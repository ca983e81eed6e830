"""Measure how fast the product is."""
