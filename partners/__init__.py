"""The outside world: partners get people we know."""
