"""The endpoints of TikTok that the sandbox has."""
