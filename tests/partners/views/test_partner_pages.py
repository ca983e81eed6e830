"""The partner pages: permissions, content and number of queries."""

import re

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils.translation import override

from audiencesync.groups.models import Activity
from partners.models import AdAccount, Audience, OAuthState
from tiktok_sandbox.seed import EU, UK

pytestmark = pytest.mark.thorough

TIKTOK = "/g/acme/partners/tiktok/"


@pytest.fixture
def ad_account(alice_flow):
    alice_flow.connect(EU, UK)
    return alice_flow.connection().ad_accounts.get(remote_id=EU)


@pytest.fixture
def pages(ad_account):
    """URLs that every member of the group may read."""
    return ["/g/acme/partners/", TIKTOK, f"{TIKTOK}ad-accounts/{ad_account.pk}/audiences/"]


@pytest.fixture
def admin_urls(ad_account, alice_flow):
    """URLs that change something, for admins only."""
    state = alice_flow.authorise().split("/")[-2]
    admin_urls = [
        "connect/",
        f"choose/{state}/",
        "disconnect/",
        f"ad-accounts/{ad_account.pk}/disconnect/",
    ]
    return [TIKTOK + action for action in admin_urls]


@pytest.mark.parametrize("name", ["alice", "bob", "vera"])
def test_members_may_read(pages, signed_in, request, name):
    client = signed_in(request.getfixturevalue(name))
    assert [client.get(page).status_code for page in pages] == [200, 200, 200]


def test_users_of_other_groups_get_404(pages, admin_urls, signed_in, charlie):
    client = signed_in(charlie)
    assert {client.get(page).status_code for page in pages} == {404}
    assert {client.post(action).status_code for action in admin_urls} == {404}
    assert client.post(f"{pages[2]}refresh/").status_code == 404


@pytest.mark.parametrize("name", ["bob", "vera"])
def test_only_admins_may_change_connections(admin_urls, signed_in, request, name):
    client = signed_in(request.getfixturevalue(name))
    assert {client.post(action).status_code for action in admin_urls} == {403}
    assert OAuthState.objects.count() == 2
    assert not Activity.objects.filter(verb="disconnected").exists()


def test_viewers_are_referred_to_an_admin(signed_in, vera, ad_account):
    page = signed_in(vera).get(TIKTOK).content.decode()
    assert "An admin of this app group connects and disconnects" in page
    for action in ("connect/", "disconnect/"):
        assert f'{action}"' not in page


def test_an_anonymous_request_is_redirected_to_the_login(pages, admin_urls):
    for address in pages + admin_urls:
        assert Client().get(address).status_code in (302, 405)


def test_an_ad_account_of_another_group_is_404(flow_of, charlie, other_group, ad_account):
    client = flow_of(charlie, other_group).client
    for action in ("audiences/", "disconnect/"):
        assert (
            client.get(
                f"/g/umbrella/partners/tiktok/ad-accounts/{ad_account.pk}/{action}"
            ).status_code
            == 404
        )


@pytest.mark.parametrize(
    "address", ["myspace/", "tiktok/ad-accounts/999/audiences/", f"tiktok/choose/{2**70}/"]
)
def test_unknown_objects_are_404(alice_flow, address):
    assert alice_flow.client.get(f"/g/acme/partners/{address}").status_code == 404


def test_the_partner_tiles(alice_flow):
    page = alice_flow.client.get("/g/acme/partners/").content.decode()
    names = ["TikTok", "Facebook", "Google", "Pinterest", "Snapchat"]
    assert sorted(names, key=lambda name: page.index(f">{name}<")) == names
    assert page.count("Coming later") == 4


def test_the_page_before_a_connection(alice_flow):
    page = alice_flow.client.get(TIKTOK).content.decode()
    for words in (
        "Not connected",
        "Connect TikTok",
        "Before you connect",
        "Business Center",
        "shared TikTok account",
    ):
        assert words in page
    assert "Disconnect" not in page


def test_missing_credentials_are_named(alice_flow, settings):
    settings.TIKTOK_APP_ID = ""
    assert "TIKTOK_APP_ID" in alice_flow.client.get(TIKTOK).content.decode()
    answer = alice_flow.client.post(f"{TIKTOK}connect/", follow=True)
    assert "This installation is not registered at TikTok yet" in answer.content.decode()
    assert not OAuthState.objects.exists()


def test_the_authorisation_url_has_four_parameters(alice_flow):
    assert re.fullmatch(
        r"http://127.0.0.1:\d+/portal/auth\?app_id=7000000000000000001&state=[\w-]{43}"
        r"&redirect_uri=http%3A%2F%2F127.0.0.1%3A8000%2Foauth%2Ftiktok%2Fcallback%2F",
        alice_flow.start(),
    )


def test_secrets_are_neither_shown_nor_logged(alice_flow, caplog, capfd, sandbox):
    caplog.set_level("DEBUG")
    address = alice_flow.confirm(alice_flow.start())
    code = re.search("auth_code=([^&]+)", address)[1]
    alice_flow.client.post(alice_flow.come_back(address)["Location"], {"ad_accounts": [EU]})
    token = alice_flow.connection().token
    sandbox.accounts.revoke_all()
    shown = [
        alice_flow.client.get(page).content.decode()
        for page in (TIKTOK, "/g/acme/partners/", "/g/acme/activity/")
    ]
    alice_flow.client.post(f"{TIKTOK}disconnect/", follow=True)
    texts = "".join([*shown, caplog.text, *capfd.readouterr()])
    for secret in (code, token, "sandbox-secret", "auth_code="):
        assert secret not in texts


def test_names_from_tiktok_are_escaped(alice_flow, ad_account):
    AdAccount.objects.update(name="<script>alert(1)</script>")
    Audience.objects.update(name='"><img src=x>')
    for page in (TIKTOK, f"{TIKTOK}ad-accounts/{ad_account.pk}/audiences/"):
        text = alice_flow.client.get(page).content.decode()
        assert "<script>alert" not in text
        assert "<img" not in text


def test_the_pages_in_german(alice_flow, ad_account):
    with override("de"):
        alice_flow.client.cookies["django_language"] = "de"
        for page in ("/g/acme/partners/", TIKTOK, f"{TIKTOK}disconnect/"):
            answer = alice_flow.client.get(page)
            assert answer.status_code == 200
            assert '<html lang="de"' in answer.content.decode()


def test_the_partner_page_has_a_constant_number_of_queries(
    alice_flow, ad_account, django_assert_max_num_queries
):
    def n_queries():
        with django_assert_max_num_queries(99) as queries:
            alice_flow.client.get(TIKTOK)
        return len(queries)

    alice_flow.client.get(TIKTOK)  # takes the banner away
    before = n_queries()
    rows = [
        AdAccount(connection=ad_account.connection, remote_id=str(n), name=f"n {n}")
        for n in range(30)
    ]
    AdAccount.objects.bulk_create(rows)
    assert n_queries() == before


class TestAudiences:
    @pytest.fixture
    def url(self, ad_account):
        return f"{TIKTOK}ad-accounts/{ad_account.pk}/audiences/"

    def test_audiences_are_listed_with_the_reason_of_unusable_ones(self, alice_flow, url):
        page = alice_flow.client.get(url).content.decode()
        for words in (
            "Newsletter readers",
            "1,500",
            "Created through the API",
            "1,204,000",
            "made another way",
        ):
            assert words in page

    def test_audiences_are_searched(self, alice_flow, url):
        page = alice_flow.client.get(f"{url}?q=news").content.decode()
        assert "Newsletter readers" in page
        assert "Similar to customers" not in page
        assert (
            "No audience is named like"
            in alice_flow.client.get(f"{url}?q=zebra%00").content.decode()
        )

    def test_a_refresh_reads_new_audiences_once_a_minute(self, signed_in, bob, url, sandbox):
        client = signed_in(bob)
        sandbox.audiences.create(EU, "Fresh")
        assert (
            "within the last minute" in client.post(f"{url}refresh/", follow=True).content.decode()
        )
        cache.clear()
        assert "Fresh" in client.post(f"{url}refresh/", follow=True).content.decode()

    def test_viewers_may_not_refresh(self, signed_in, vera, url):
        assert signed_in(vera).post(f"{url}refresh/").status_code == 403
        assert "refresh/" not in signed_in(vera).get(url).content.decode()

    def test_a_failing_refresh_is_explained(self, alice_flow, url, sandbox):
        cache.clear()
        sandbox.faults.set("http_error", endpoint="dmp/custom_audience/list")
        assert (
            "did not answer or has a problem"
            in alice_flow.client.post(f"{url}refresh/", follow=True).content.decode()
        )

    def test_the_list_has_a_constant_number_of_queries(
        self, alice_flow, url, ad_account, django_assert_max_num_queries
    ):
        def n_queries():
            with django_assert_max_num_queries(99) as queries:
                alice_flow.client.get(url)
            return len(queries)

        alice_flow.client.get(url)  # takes the banner away
        before = n_queries()
        rows = [
            Audience(ad_account=ad_account, remote_id=str(n), name=f"n {n}") for n in range(300)
        ]
        Audience.objects.bulk_create(rows)
        assert n_queries() == before
