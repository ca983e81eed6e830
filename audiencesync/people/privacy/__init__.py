"""Consent, the ledger of erased people, how long things are kept."""
