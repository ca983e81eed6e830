"""The lines of the Dockerfile build an image that migrates, serves pages and runs the engine."""

import re

import pytest
import requests

from scripts import redis_server
from tests.support.stack import wait_until
from tests.system.deploy.compose import SERVICES, words_of
from tests.system.deploy.conftest import PATTERNS, running, settings_of
from tests.system.machines.servers import database

# One worker of pytest builds the image, and runs all of these tests.
pytestmark = [pytest.mark.slow, pytest.mark.machines, pytest.mark.xdist_group("image")]
HOST = "audiences.test"


def ask(env, path):
    url, headers = (
        f"http://127.0.0.1:{env['WEB_PORT']}{path}",
        {"Host": HOST, "Accept-Language": "de"},
    )
    return requests.get(url, headers=headers, timeout=120)


def is_well(env, path="/healthz"):
    try:
        return ask(env, path).status_code == 200
    except requests.RequestException:
        return False


def serves(image, *, seconds=120, **more):
    """Start CMD and open the first page with its files. Raise if anything is wrong."""
    env = settings_of(image) | more
    image.run("python", "manage.py", "createcachetable", **env)
    with running(image, *image.command("CMD"), **env) as web:
        wait_until(
            lambda: is_well(env) or web.poll() is not None, seconds=seconds, what="no answer"
        )
        page = ask(env, "/accounts/login/")
        assert page.status_code == 200
        assert (
            "Diese Installation ist noch nicht eingerichtet" in page.text
        )  # German, and before the first account
        files = re.findall(r'(?:src|href)="(/static/[^"#]+)', page.text)
        assert any(file.endswith(".css") for file in files)
        assert [file for file in files if ask(env, file).status_code != 200] == []
        image.run(*image.command("HEALTHCHECK"), **env)


def test_the_image_migrates_and_serves_pages_with_their_static_files(image):
    image.run("python", "manage.py", "migrate", "--no-input", **settings_of(image))
    serves(image)


def test_the_image_runs_the_engine_on_postgresql_and_redis(image):
    with database(has_tables=True) as url, redis_server.server() as redis_url:
        env = settings_of(image) | {"DATABASE_URL": url, "REDIS_URL": redis_url}
        for words in words_of(SERVICES["migrate"]):
            image.run(*words, **env)
        with (
            running(image, *image.command("CMD"), **env),
            running(image, *SERVICES["engine"]["command"], **env),
        ):
            wait_until(lambda: is_well(env, "/readyz"), seconds=180, what="not ready")


def test_the_image_holds_no_secret_no_test_and_no_database(image):
    names = {path.name for path in image.inside(".").iterdir()}
    assert names == {
        *("requirements.lock", "manage.py", "gunicorn.conf.py", "deploy"),
        *(
            "audiencesync",
            "partners",
            "canvases",
            "tiktok_sandbox",
            "templates",
            "static",
            "locale",
        ),
        *(".venv", "var", "static-files", "ledger", "sandbox"),
    } | ({"__pycache__"} & names)
    assert [path.name for path in image.inside("deploy").iterdir()] == ["healthy.py"]


def test_it_does_not_run_as_root(image):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.noted["USER"])


@pytest.mark.parametrize(
    "line", [line for line in PATTERNS if line.startswith("!") and line != "!requirements.lock"]
)
def test_nothing_that_is_copied_can_be_left_out(image_without, line):
    with pytest.raises((AssertionError, requests.ConnectionError)):
        serves(image_without(line), seconds=8, WEB_WORKERS="1")
