"""The REST API without its operations: authentication, rate limits, strict JSON, idempotency."""
