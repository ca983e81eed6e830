"""A pretend TikTok: its API for audiences, its authorisation page and its Ads Manager, in a process of its own."""
