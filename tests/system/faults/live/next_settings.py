"""The product's settings with the migrations of a next release."""

from audiencesync.settings import *  # noqa: F403  # a settings module is its names

MIGRATION_MODULES = {"partners": "tests.system.faults.live.next_version"}
