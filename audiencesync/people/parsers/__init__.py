"""Parsers of text as people type it: numbers, days, booleans, countries, placeholders."""
