"""Consent, the ledger of erased people, and the retention of events."""
