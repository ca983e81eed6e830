"""The shape, commands and variables of compose.yaml, systemd units, Procfile and env.example."""

import configparser
import re
import subprocess
import sys
from functools import cache

import pytest

from audiencesync.core.process import start
from audiencesync.settings import ENGINE_STOP_SECONDS
from tests.support.stack import ROOT
from tests.system.deploy.compose import SERVICES, VOLUMES, words_of
from tests.system.deploy.dockerfile import lines_of

DEPLOY = ROOT / "deploy"
OURS = [name for name, service in SERVICES.items() if service["image"] == "audiencesync"]
UNITS = sorted(DEPLOY.glob("*.service"))
DAEMONS = [DEPLOY / "audiencesync-engine.service", DEPLOY / "audiencesync-web.service"]
ONCE = [path for path in UNITS if path not in DAEMONS]
EXAMPLE = (DEPLOY / "env.example").read_text()
DOCUMENTED = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text()))
# Variables that other programs read, not our code.
OF_OTHERS = {"POSTGRES_USER", "POSTGRES_DB", "REDISCLI_AUTH", "PYTHONUNBUFFERED", "MAINPID"}
# Variables that the example must leave empty.
UNIQUE = {
    "SECRET_KEY",
    "TOKEN_KEYS",
    "TIKTOK_APP_ID",
    "TIKTOK_APP_SECRET",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
}


def seconds(text):
    return float(text.removesuffix("s"))


def unit(path):
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.optionxform = str
    found.read_string(path.read_text())
    return found


@cache
def known_commands():
    command = [sys.executable, "manage.py", "help", "--commands"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}
    )
    return set(done.stdout.split())


def test_every_used_variable_is_documented():
    files = [*UNITS, DEPLOY / "compose.yaml", DEPLOY / "healthy.py", ROOT / "gunicorn.conf.py"]
    used = {
        name for file in files for name in re.findall(r"\$\$?\{?([A-Z_]{4,})", file.read_text())
    }
    used |= {
        name
        for file in files
        for name in re.findall(r"environ\.get\(\s*['\"]([A-Z_]+)", file.read_text())
    }
    used |= {name for service in SERVICES.values() for name in service.get("environment", {})}
    used |= {
        pair.partition("=")[0]
        for path in UNITS
        for pair in unit(path)["Service"]["Environment"].split()
    }
    used |= set(re.findall(r"(?m)^#?([A-Z_]+)=", EXAMPLE))
    dockerfile = lines_of((DEPLOY / "Dockerfile").read_text())
    used |= {
        pair.partition("=")[0]
        for word, rest in dockerfile
        if word == "ENV"
        for pair in rest.split()
    }
    # The variables of the build of the image are left.
    assert used - DOCUMENTED - OF_OTHERS == {
        "PATH",
        "PIP_NO_CACHE_DIR",
        "PIP_DISABLE_PIP_VERSION_CHECK",
    }


def test_the_example_holds_no_usable_secret():
    given = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", EXAMPLE))
    assert {name for name in UNIQUE if given[name]} == set()


def test_compose_refuses_to_start_without_passwords():
    text = (DEPLOY / "compose.yaml").read_text()
    passwords = re.findall(r"\$\{(\w+_PASSWORD)([^}]*)\}", text)
    assert len(passwords) == 4
    assert all(rest.startswith(":?") for _name, rest in passwords)


def test_compose_has_the_services_of_the_procfile_and_a_migration_first():
    procfile = {line.partition(":")[0] for line in (ROOT / "Procfile").read_text().splitlines()}
    assert set(OURS) == procfile | {"migrate"}
    for name in ("web", "engine"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"}
        }
    assert SERVICES["sandbox"]["profiles"] == ["sandbox"]


def test_only_web_and_sandbox_are_reached_from_outside_and_only_from_this_machine():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"web", "sandbox"}
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)


@pytest.mark.parametrize("name", OURS)
def test_the_commands_of_the_services_exist(name):
    commands = known_commands()
    for words in words_of(SERVICES[name]):
        assert words[0] == "gunicorn" or (
            words[:2] == ["python", "manage.py"] and words[2] in commands
        )


@pytest.mark.parametrize("name", ["web", "engine"])
def test_services_get_enough_time_to_stop(name):
    assert seconds(SERVICES[name]["stop_grace_period"]) > ENGINE_STOP_SECONDS
    assert SERVICES[name]["init"] is True


def test_the_erasure_ledger_outlives_containers():
    env = [rest for word, rest in lines_of((DEPLOY / "Dockerfile").read_text()) if word == "ENV"]
    (ledger,) = (
        pair.partition("=")[2]
        for rest in env
        for pair in rest.split()
        if pair.startswith("ERASURE_LEDGER")
    )
    mounted = dict(volume.split(":")[::-1] for volume in SERVICES["engine"]["volumes"])
    assert mounted[ledger.rpartition("/")[0]] in VOLUMES


@pytest.mark.parametrize("path", DAEMONS, ids=lambda path: path.name)
def test_daemons_stop_with_a_deadline_and_restart(path):
    service = unit(path)["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "always"
    assert int(service["RestartPreventExitStatus"]) == start.DO_NOT_RESTART
    assert float(service["TimeoutStopSec"]) > ENGINE_STOP_SECONDS


@pytest.mark.parametrize("path", ONCE, ids=lambda path: path.name)
def test_oneshot_units_run_known_commands(path):
    service = unit(path)["Service"]
    assert service["Type"] == "oneshot"
    called = re.findall(r"manage\.py (\w+)", path.read_text())
    assert called
    assert set(called) <= known_commands()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_are_sandboxed_by_systemd(path):
    service = unit(path)["Service"]
    assert service["EnvironmentFile"] == "/etc/audiencesync.env"
    assert service["User"] == "audiencesync"
    assert {service[name] for name in ("NoNewPrivileges", "PrivateTmp", "ProtectHome")} == {"yes"}
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "audiencesync"  # VAR_DIR; it may write nowhere else
    assert "VAR_DIR=/var/lib/audiencesync" in service["Environment"]


def test_units_run_what_the_procfile_runs():
    lines = (ROOT / "Procfile").read_text()
    # The command behind "exec", up to its options.
    procfile = dict(re.findall(r"(?m)^(\w+): .*exec ([^ ]+(?: [^ -][^ \n]*)*)", lines))
    units = {
        path.stem.removeprefix("audiencesync-"): unit(path)["Service"]["ExecStart"]
        for path in DAEMONS
    }
    assert {name: command.replace("/opt/audiencesync/", "") for name, command in units.items()} == {
        name: command for name, command in procfile.items() if name != "sandbox"
    }


def test_the_procfile_lets_processes_end_before_honcho_kills_them():
    honcho_kills_after = 5
    given = re.findall(r"\$\{\w+_STOP_SECONDS:-(\d+)\}", (ROOT / "Procfile").read_text())
    assert len(given) == 2
    assert all(int(seconds) < honcho_kills_after for seconds in given)


def test_units_have_only_directives_of_systemd():
    names = {name for path in UNITS for section in unit(path).values() for name in section}
    assert names <= set(
        (ROOT / "tests" / "system" / "deploy" / "systemd_names.txt").read_text().split()
    )
    assert {section for path in UNITS for section in unit(path).sections()} == {
        "Unit",
        "Service",
        "Install",
    }
