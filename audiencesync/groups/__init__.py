"""Users, app groups, roles: who may do what where."""
