"""The customers of the marketer: profiles, identifiers, segments."""
