"""Pages of signed-in users are not cached; sign-in limits cannot be evicted from their cache."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.cache.backends.db import DatabaseCache
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from audiencesync.groups import retention
from tests.support.stack import ROOT, environment

DATABASE_CACHE = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}
}
PAGES = [
    "/",
    "/groups/",
    "/g/acme/members/",
    "/g/acme/people/profiles/",
    "/g/acme/activity/",
    "/nowhere/",
    "/g/x/",
]


@pytest.mark.parametrize("path", PAGES)
def test_an_answer_to_a_signed_in_user_is_not_cached(acme, alice, signed_in, path):
    assert "no-store" in signed_in(alice).get(path)["Cache-Control"]


def test_the_answer_to_a_sign_in_is_not_cached(alice):
    form = {"login": alice.email, "password": "correct horse battery"}
    answer = Client().post("/accounts/login/", form)
    assert answer.status_code == 302
    assert "no-store" in answer["Cache-Control"]


def test_pages_request_no_camera_location_or_microphone(db):
    policy = Client().get("/accounts/login/")["Permissions-Policy"]
    assert "camera=()" in policy
    assert "geolocation=()" in policy


def test_failed_sign_ins_count_across_host_headers(alice):
    def guess(port):
        form = {"login": alice.email, "password": "wrong"}
        headers = {"Host": f"127.0.0.1:{port}"}
        return Client().post("/accounts/login/", form, headers=headers).content.decode()

    pages = [guess(9000 + n) for n in range(7)]
    assert ["Too many failed login attempts" in page for page in pages] == [False] * 5 + [True] * 2


def test_the_database_cache_is_larger_than_a_caller_can_fill(tmp_path):
    code = (
        "import json; from django.conf import settings; "
        "print(json.dumps(settings.CACHES['default']))"
    )
    cache = json.loads(
        subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path))
    )
    assert cache["BACKEND"].endswith("DatabaseCache")
    assert cache["OPTIONS"]["MAX_ENTRIES"] >= 1_000_000


def test_cookies_over_https_are_bound_to_the_host(tmp_path):
    code = "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME)"
    env = environment(
        tmp_path, SITE_URL="https://sync.example.org", ALLOWED_HOSTS="sync.example.org"
    )
    names = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=env, text=True)
    assert names.split() == ["__Host-sessionid", "__Host-csrftoken"]


@override_settings(CACHES=DATABASE_CACHE)
def test_expired_entries_of_the_cache_are_deleted(db):
    call_command("createcachetable", verbosity=0)
    try:
        cache = DatabaseCache("cache", {})
        cache.set("old", "1", timeout=60)
        cache.set("new", "1", timeout=600)
        cache.set("for-ever", "1", timeout=None)
        retention.delete_expired_cache_entries(now=timezone.now() + timedelta(seconds=120))
        with connection.cursor() as cursor:
            cursor.execute("SELECT cache_key FROM cache ORDER BY cache_key")
            assert [key for (key,) in cursor.fetchall()] == [":1:for-ever", ":1:new"]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE cache")
