"""The API that TikTok offers, as far as it is played."""
