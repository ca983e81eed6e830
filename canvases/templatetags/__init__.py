"""Template tags: links from numbers to the people they count."""
