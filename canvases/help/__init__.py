"""The help page: each number, reason and error with its meaning, cause and remedy."""
