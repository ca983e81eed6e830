"""The project package: the roof (settings, urls) and the ground floor (groups, people)."""
