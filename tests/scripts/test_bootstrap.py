"""`make` explains old Pythons and missing packages in one clear line."""

import ast
import importlib

import pytest

from tests.support.stack import ROOT


@pytest.fixture
def bootstrap(monkeypatch):
    """Return the module scripts/bootstrap.py."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("bootstrap")


@pytest.mark.parametrize("name", ["bootstrap.py", "run.py"])
def test_an_old_python_can_parse_the_script(name):
    ast.parse((ROOT / "scripts" / name).read_text(), feature_version=(3, 8))


def test_an_old_python_is_refused(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "MIN_PYTHON", (99, 0))
    with pytest.raises(SystemExit, match=r"^Python 99\.0 or newer is needed, this is 3\."):
        bootstrap.check_python()


def test_a_user_who_cannot_install_sees_the_command(bootstrap, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(
        SystemExit,
        match=r"^Python's venv module is missing\. Please run: sudo apt-get install python3-venv$",
    ):
        bootstrap.install(["python3-venv"], "Python's venv module is missing.")


def test_missing_tools_are_named(bootstrap, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(
        bootstrap, "TOOLS", {"/usr/bin/no-such-thing": "nothing", "/usr/bin/env": "coreutils"}
    )
    with pytest.raises(
        SystemExit, match=r"^The tests need nothing\. Please run: sudo apt-get install nothing$"
    ):
        bootstrap.install_missing_tools()


def test_existing_tools_are_not_installed(bootstrap, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "TOOLS", {"/usr/bin/env": "coreutils"})
    bootstrap.install_missing_tools()


def test_an_installed_lock_is_not_installed_again(bootstrap, monkeypatch, tmp_path):
    (tmp_path / "some.lock").write_text("nothing==0\n")
    calls = []
    monkeypatch.setattr("subprocess.call", lambda command, **_kw: calls.append(command) or 0)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    bootstrap.install_lock("some.lock")
    bootstrap.install_lock("some.lock")
    assert len(calls) == 1
    (tmp_path / "some.lock").write_text("nothing==1\n")
    bootstrap.install_lock("some.lock")
    assert len(calls) == 2
    assert "--require-hashes" in calls[0]
