"""Template tags: cells of numbers, and links from numbers to the people they count."""
