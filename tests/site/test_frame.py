"""The frame of every page: language, title, navigation, and no inline script or style."""

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
ALLAUTH = ["login", "password/reset", "signup", "password/reset/done"]
ACCOUNT = ["email", "password/change", "2fa", "2fa/totp/activate", "logout", "reauthenticate"]


def test_a_title_names_page_group_and_product(alice, signed_in):
    page = signed_in(alice).get("/g/acme/members/").content.decode()
    assert "<title>Members · Acme · AudienceSync</title>" in page


def test_a_group_name_is_escaped_and_isolated(acme, alice, signed_in):
    acme.name = "<script>x</script> مرحبا 🎉"
    acme.save()
    page = signed_in(alice).get("/g/acme/members/").content.decode()
    assert "<script>x" not in page
    assert "<bdi>&lt;script&gt;x&lt;/script&gt; مرحبا 🎉</bdi>" in page


def test_the_language_of_the_browser_is_used(alice):
    page = Client(headers={"Accept-Language": "de"}).get("/accounts/login/").content.decode()
    assert '<html lang="de">' in page
    assert "Passwort" in page


def test_the_language_can_be_switched(alice, signed_in):
    client = signed_in(alice)
    answer = client.post("/i18n/setlang/", {"language": "de", "next": "/g/acme/members/"})
    assert answer["Location"] == "/g/acme/members/"
    assert '<html lang="de">' in client.get("/g/acme/members/").content.decode()


@pytest.mark.parametrize(
    "address", ["/g/acme/members/", "/g/acme/activity/", "/g/acme/settings/", "/groups/"]
)
def test_our_pages_render_in_german(alice, signed_in, address):
    client = signed_in(alice)
    client.cookies["django_language"] = "de"
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Language"] == "de"


def test_home_redirects_a_member_to_the_group(acme, other_group, alice, signed_in):
    client = signed_in(alice)
    assert client.get("/")["Location"] == "/g/acme/"
    assert client.get("/g/acme/")["Location"] == "/g/acme/overview/"


def test_home_redirects_to_the_group_visited_last(acme, other_group, alice, signed_in):
    other_group.memberships.create(user=alice)
    client = signed_in(alice)
    assert client.get("/")["Location"] == "/groups/"
    client.get("/g/umbrella/")
    assert client.get("/")["Location"] == "/g/umbrella/"
    other_group.memberships.all().delete()
    assert client.get("/")["Location"] == "/g/acme/"


def test_home_requires_sign_in(alice):
    assert Client().get("/")["Location"] == "/accounts/login/?next=/"


def test_a_user_without_a_group_sees_an_explanation(charlie, signed_in):
    charlie.memberships.all().delete()
    page = signed_in(charlie).get("/", follow=True)
    assert "not a member of any app group" in page.content.decode()


@pytest.mark.parametrize("address", ALLAUTH)
def test_sign_in_pages_have_our_frame(db, address):
    page = Client().get(f"/accounts/{address}/").content.decode()
    assert "AudienceSync</title>" in page
    assert "entrance" in page


@pytest.mark.parametrize("address", ACCOUNT)
def test_account_pages_have_our_frame(alice, address):
    client = Client()
    client.post(
        "/accounts/login/", {"login": "alice@example.org", "password": "correct horse battery"}
    )
    page = client.get(f"/accounts/{address}/", follow=True)
    assert page.status_code == 200
    assert "AudienceSync</title>" in page.content.decode()
    assert "{%" not in page.content.decode()


def test_a_wrong_password_is_summarised_on_top(alice):
    form = {"login": "alice@example.org", "password": "wrong"}
    page = Client().post("/accounts/login/", form).content.decode()
    assert page.index("There is a problem") < page.index("id_password")


def test_a_field_refers_to_its_error_and_hint(acme, alice, bob, signed_in):
    form = {"email": "bob@example.org", "role": "king"}
    page = signed_in(alice).post("/g/acme/members/invite/", form).content.decode()
    role = re.search(
        r"<select[^>]*name=\"role\"[^>]*id=\"id_role\"[^>]*>|<select[^>]*id=\"id_role\"[^>]*>", page
    )[0]
    assert 'aria-invalid="true"' in role
    for wanted in ("id_role_helptext", "id_role_error"):
        assert wanted in role
        assert f'id="{wanted}"' in page
    assert 'href="#id_role"' in page


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_contain_no_inline_script_or_style(template):
    text = template.read_text()
    assert not re.search(
        r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|<script(?![^>]*\ssrc=)", text
    )


def test_ids_in_templates_have_no_thousands_separator():
    names = [
        template.name
        for template in TEMPLATES
        if re.search(r"{{ [\w.]*\bpk }}", template.read_text())
    ]
    assert not names


def test_vendored_files_match_their_readme():
    vendor = ROOT / "static" / "vendor"
    documented = dict(
        re.findall(
            r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (vendor / "README.md").read_text(), re.MULTILINE
        )
    )
    present = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in vendor.iterdir()
        if file.name != "README.md"
    }
    assert documented == present


@pytest.mark.parametrize(
    "file",
    ["app.css", "app.js", "theme.js", "vendor/tabler.min.css", "vendor/idiomorph-ext.min.js"],
)
def test_static_files_name_no_source_map_and_no_other_host(file):
    text = (ROOT / "static" / file).read_text()
    assert "sourceMappingURL" not in text
    assert not re.search(r"url\(['\"]?https?:|@import", text)


def test_every_used_icon_is_in_the_sprite():
    present = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static" / "icons.svg").read_text()))
    uses = (r'{% icon "([^"]+)"', r'icon_name="([^"]+)"', r'{% nav_link "\w+" label "([^"]+)"')
    for pattern in uses:
        used = {name for file in TEMPLATES for name in re.findall(pattern, file.read_text())}
        assert used, pattern
        assert used <= present
