"""The table of analytics: the steps of all app groups for staff, or of one group for members."""
