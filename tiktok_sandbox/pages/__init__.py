"""The pages of the sandbox: authorisation, faults, Ads Manager."""
