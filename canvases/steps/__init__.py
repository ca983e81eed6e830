"""The kinds of steps: one file, one template, one line in KINDS."""
