"""The pages of the sandbox: authorisation, controls, Ads Manager."""
