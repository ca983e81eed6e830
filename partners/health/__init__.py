"""The health of a group for its members: its incidents in words, and what was checked when."""
