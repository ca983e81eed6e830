"""deploy/compose.yaml as it is read: its services, and which commands they run."""

import yaml

from tests.support.stack import ROOT

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES, VOLUMES = COMPOSE["services"], set(COMPOSE["volumes"])


def words_of(service):
    """The commands of a service of ours, each as a list of words in the image."""
    if "command" not in service:
        return [["gunicorn"]]
    command = service["command"]
    return [part.split() for part in command[2].split(" && ")] if command[0] == "sh" else [command]
