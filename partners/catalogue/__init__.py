"""What can go wrong, in words: one entry each, read by Help, Health, banners, mails and errors.

Texts may have %(partner)s, %(name)s (of the ad account, audience or component), %(time)s (until
when to act), %(retry_time)s (how long a delivery is retried), and parameters of a single entry.
"""
