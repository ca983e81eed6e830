"""What every other package builds on: start-up, logging, checks, encryption, periodic jobs.

No product code.
"""
