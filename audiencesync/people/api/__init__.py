"""The REST API about people and segments."""
