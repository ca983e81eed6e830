"""Where a segment or attribute is used, and how many people have it."""
