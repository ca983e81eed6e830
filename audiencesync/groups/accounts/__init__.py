"""Invitations and accounts: the adapters, forms and mails that we change in django-allauth."""
