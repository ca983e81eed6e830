"""Read deploy/compose.yaml: its services and their commands."""

import yaml

from tests.support.stack import ROOT

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES, VOLUMES = COMPOSE["services"], set(COMPOSE["volumes"])


def words_of(service):
    """Return the commands of a service that runs our image, each as a list of words."""
    if "command" not in service:
        return [["gunicorn"]]
    command = service["command"]
    return [part.split() for part in command[2].split(" && ")] if command[0] == "sh" else [command]
