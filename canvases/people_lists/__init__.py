"""The people behind every number: one list, in pages and as a CSV file.

A number (number.py) is its name in the address, its count and the queries of the rows it counts,
its parts. Rows become lines of a table (lines.py).
"""
