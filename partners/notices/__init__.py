"""Who is notified of which incident, when, and in which words."""
