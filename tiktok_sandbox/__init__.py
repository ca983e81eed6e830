"""A stand-in for TikTok: its audience API, authorisation page and Ads Manager in one process."""
