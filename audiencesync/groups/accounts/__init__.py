"""Invitations and signing in: forms and mails of django-allauth as this product needs them."""
