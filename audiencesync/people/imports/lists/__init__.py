"""The people and the rows behind each number of an import."""
