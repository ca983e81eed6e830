"""The processes of an installation: start checks, the interpreter, the supervisor."""
