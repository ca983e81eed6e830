"""The command of the sandbox."""
