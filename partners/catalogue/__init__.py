"""What can go wrong, in words: one entry each, read by Help, Health, banners, mails and errors.

Texts may name %(partner)s, %(name)s (the place), %(time)s (until when to act) and %(retry_time)s
(how long a delivery is retried); those of one entry also what they say themselves.
"""
