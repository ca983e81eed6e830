"""TikTok as a partner: tokens in, dataclasses out; knows no Django model."""
