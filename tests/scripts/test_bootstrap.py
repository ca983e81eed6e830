"""What `make` needs from the machine: old Pythons and missing packages get one clear line."""

import ast
import importlib

import pytest

from tests.support.stack import ROOT


@pytest.fixture
def bootstrap(monkeypatch):
    """The module scripts/bootstrap.py."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("bootstrap")


@pytest.mark.parametrize("name", ["bootstrap.py", "run.py"])
def test_an_old_python_can_read_the_script_far_enough_to_refuse(name):
    ast.parse((ROOT / "scripts" / name).read_text(), feature_version=(3, 8))


def test_an_old_python_is_refused(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "OLDEST", (99, 0))
    with pytest.raises(SystemExit, match=r"^Python 99\.0 or newer is needed, this is 3\."):
        bootstrap.check_python()


def test_who_may_not_install_is_told_the_command(bootstrap, monkeypatch):
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
        bootstrap.need_tools()


def test_tools_that_are_there_install_nothing(bootstrap, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "TOOLS", {"/usr/bin/env": "coreutils"})
    bootstrap.need_tools()


def test_a_lock_that_was_installed_is_not_installed_again(bootstrap, monkeypatch, tmp_path):
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
