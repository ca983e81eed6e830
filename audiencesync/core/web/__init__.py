"""What HTTP needs everywhere: addresses, headers, error pages, health checks."""
