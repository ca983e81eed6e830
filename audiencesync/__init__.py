"""The project package: settings and URLs, and the apps core, groups, rest and people."""
