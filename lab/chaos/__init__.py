"""A storm: engines killed and stopped, a failing partner, people at work."""
