"""The tables of this app in Django's admin for operators."""
