"""The product's processes, started for a trial."""
