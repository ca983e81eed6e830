"""The page that builds a filter: its controls, what is typed in them, and what they count."""
