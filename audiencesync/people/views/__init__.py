"""Pages of profiles and segments."""
