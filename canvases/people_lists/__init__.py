"""The people behind every number: one list, in pages and as a CSV file.

A number (number.py) has a name for the address, a count, and parts: queries of the rows that it
counts. Rows become lines of a table (lines.py).
"""
