"""Use the product in real processes that log at DEBUG level, with planted secrets and data."""

import os

import requests

from audiencesync.core import crypto
from lab.story.browser import Browser
from lab.story.story import Marketer
from tests.support import stack
from tests.system.canary.calls import good_and_bad_calls
from tests.system.canary.crawler import crawl
from tests.system.canary.planted import Planted, keys, person, word

FAULTS = ("throttle", "http_error", "apply_then_drop", "not_json", "code_text", "huge")
ERASED = "file external id"
OWN_REDIS = 13  # the number of a database that no other test uses
PLANT = """
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from tests.support import profiles
acme = AppGroup.objects.get(slug="acme")
planted = Profile(app_group=acme, external_id="canary", ads_consent=True,
                  ad_tracking_enabled=True, **{fields})
profiles.set_hashes(planted, region="DE")
planted.save()
print("\\n" + ",".join(planted_hash.hex() for planted_hash in profiles.stored_hashes(planted)[:4]))
"""
ISSUE = """
from audiencesync.groups import api_keys
from audiencesync.groups.models import AppGroup
acme = AppGroup.objects.get(slug="acme")
print("\\n" + api_keys.issue(acme, name="canary", scopes=list(api_keys.SCOPES), by=None)[1])
"""
READ_TOKEN = "from partners.models import Connection; print('\\n' + Connection.objects.get().token)"


class Journey:
    """A stack, the secrets and personal data planted in it, and the pages that it showed."""

    def __init__(self, var, database_url):
        self.database_url = database_url
        self.redis_url = os.environ.get("REDIS_URL", "").rpartition("/")[0]
        self.planted = Planted(secrets=keys(), people=person())
        token_keys = crypto.new_key("canary")
        more = dict(self.planted.secrets) | {
            "TOKEN_KEYS": token_keys,
            "SYNC_BACKOFF_BASE": "0.2",
            "SYNC_THROTTLE_PARK": "1",
            "SYNC_ERASURE_REST": "0",
            "DATABASE_URL": database_url,
            "LOG_LEVEL": "DEBUG",
            "TASK_LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
            "DJANGO_SETTINGS_MODULE": "tests.system.canary.noisy",
        }
        self.planted.secrets["TOKEN_KEYS"] = token_keys.partition(":")[2]
        if self.redis_url:
            more["REDIS_URL"] = self.redis_url = f"{self.redis_url}/{OWN_REDIS}"
        self.stack = stack.Stack(var, extra_env=more)
        self.marketer = Marketer(self.stack.url)
        self.viewer = Browser()

    def last_output(self, code):
        """Run code in Django's shell; return the last line that it prints."""
        return self.stack.manage("shell", "-c", code).strip().splitlines()[-1]

    def prepare(self):
        self.stack.demo_output = stack.stack.prepare(self.stack.var, env=self.stack.env, people=50)
        hashes = self.last_output(PLANT.replace("{fields}", repr(self.planted.people))).split(",")
        assert len(hashes) == 4
        self.planted.people |= {f"hash {n}": value for n, value in enumerate(hashes)}

    def go(self):
        """Sign in, mail, connect, launch with faults, erase, back up, crawl, disconnect."""
        self.wrong_password()
        self.marketer.sign_in(self.stack.demo_output)
        self.odd_callbacks()
        self.send_mails()
        for act in (self.marketer.connect, self.marketer.make_segment, self.marketer.build):
            act()
        self.planted.secrets["token"] = self.last_output(READ_TOKEN)
        self.call_the_api()
        self.import_a_file()
        for kind in FAULTS:
            self.fault(kind)
        self.marketer.launch()
        self.marketer.watch(seconds=180)
        assert self.marketer.readings.is_at_rest
        self.erase()
        self.crawl_pages()
        self.stack.manage("backup", str(self.stack.var / "backup"))
        self.disconnect()
        self.keep_cookies()

    def wrong_password(self):
        self.planted.secrets["typed password"] = word("typed")
        self.planted.people["typed e-mail"] = f"{word('typed')}@example.org"
        form = (
            Browser()
            .open(self.stack.url)
            .form("Sign in")
            .fill("E-mail", self.planted.people["typed e-mail"])
        )
        form.fill("Password", self.planted.secrets["typed password"]).press("Sign in")

    def odd_callbacks(self):
        """Request URLs with invalid codes, states and keys."""
        session = self.marketer.browser.session
        names = ("auth_code", "state", "code")
        self.planted.secrets |= {
            f"odd {name}": word(name.replace("_", "-")) for name in (*names, "key")
        }
        query = {name: self.planted.secrets[f"odd {name}"] for name in names}
        key = self.planted.secrets["odd key"]
        paths = (
            "oauth/tiktok/callback/",
            f"invitation/{key}/",
            f"accounts/password/reset/key/1-{key}/",
            key,
            "g/acme/",
        )
        for path in paths:
            for method in ("GET", "POST"):
                answer = session.request(
                    method, f"{self.stack.url}/{path}", params=query, timeout=120
                )
                assert answer.status_code < 500

    def call_the_api(self):
        key = self.planted.secrets["API key"] = self.last_output(ISSUE)
        sent = {"external_id": "api-canary", **person()}
        sent["google_ad_id"] = sent.pop("gaid")
        self.planted.people |= {
            f"api {name}": sent[name] for name in ("email", "phone", "idfa", "google_ad_id")
        }
        assert {201, 400, 401, 404} <= good_and_bad_calls(self.stack.url, key=key, person=sent)

    def import_a_file(self):
        """Import a file with a good row, a row without an id and a row with a broken quote."""
        columns = person()
        self.planted.people |= {f"file {name}": value for name, value in columns.items()}
        row = ",".join(columns.values())
        self.planted.people[ERASED] = name = word("name")
        body = f'external_id,{",".join(columns)}\r\n{name},{row}\r\n,{row}\r\nfile-canary-2,"{row}'
        browser, url = self.marketer.browser, f"{self.stack.url}/g/acme/people/imports/new/"
        browser.open(url)
        sent = {"csrfmiddlewaretoken": browser.session.cookies["csrftoken"]}
        answer = browser.session.post(
            url, data=sent, files={"file": ("people.csv", body)}, timeout=120
        )
        browser.open(answer.url).press("Check first")
        browser.open(answer.url).press("Start the import")
        stack.wait_until(
            lambda: "The import is done" in browser.session.get(answer.url, timeout=120).text,
            seconds=180,
            what="the import did not end",
        )

    def fault(self, kind):
        fault = {"kind": kind, "endpoint": "segment/mapping", "count": 1}
        url = f"{self.stack.sandbox_url}/sandbox/api/faults/"
        requests.post(url, json=fault, timeout=120).raise_for_status()

    def send_mails(self):
        """Request an invitation and a password reset."""
        self.planted.people["invited e-mail"] = f"{word('invited')}@example.org"
        url, browser = f"{self.stack.url}/g/acme/members/", self.marketer.browser
        browser.open(url)
        sent = {"email": self.planted.people["invited e-mail"], "role": "viewer"}
        sent["csrfmiddlewaretoken"] = browser.session.cookies["csrftoken"]
        assert browser.session.post(f"{url}invite/", data=sent, timeout=120).status_code == 200
        form = (
            Browser().open(f"{self.stack.url}/accounts/password/reset/").form("Reset my password")
        )
        form.fill("E-mail", "viewer@example.org").press("Reset my password")

    def erase(self):
        """Erase the imported person."""
        header = {"Authorization": f"Bearer {self.planted.secrets['API key']}"}
        body = {"external_ids": [self.planted.people[ERASED]]}
        answer = requests.post(
            f"{self.stack.url}/users/delete", json=body, headers=header, timeout=120
        )
        assert answer.json()["deleted"] == 1
        key = {"key": answer.json()["erasures"][0]}

        def is_done():
            answer = requests.get(
                f"{self.stack.url}/users/erasures", params=key, headers=header, timeout=120
            )
            return answer.json()["erasures"][0]["state"] == "done"

        stack.wait_until(is_done, seconds=180, what="the erasure did not end")

    def crawl_pages(self):
        """Store all pages that a viewer and an admin reach, as URL -> text."""
        start = f"{self.stack.url}/g/acme/"
        self.viewer_signs_in()
        self.pages = crawl(self.viewer.session, start)
        self.admins_pages = crawl(self.marketer.browser.session, start)

    def viewer_signs_in(self):
        password = self.stack.demo_output.partition("with the password ")[2].split()[0]
        form = self.viewer.open(self.stack.url).form("Sign in").fill("E-mail", "viewer@example.org")
        form.fill("Password", password).press("Sign in")

    def disconnect(self):
        page = self.marketer.browser.open(f"{self.stack.url}/g/acme/partners/tiktok/disconnect/")
        page.press("Disconnect")

    def keep_cookies(self):
        """Add the values of the cookies to the secrets."""
        for browser in (self.marketer.browser, self.viewer):
            for cookie in browser.session.cookies:
                if cookie.name in ("sessionid", "csrftoken"):
                    self.planted.secrets[f"{cookie.name} {id(browser)}"] = cookie.value
