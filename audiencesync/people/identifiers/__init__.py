"""E-mail addresses, phone numbers and device ids: read, normalised, hashed."""
