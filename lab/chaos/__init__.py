"""Test the product under random failures: killed engines, a failing partner, users at work."""
