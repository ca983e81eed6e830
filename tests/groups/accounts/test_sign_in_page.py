"""The sign-in page offers only what works; sign-up requires an invitation."""

from django.test import Client


def test_closed_sign_up_is_not_offered(alice):
    page = Client().get("/accounts/login/").content.decode()
    assert "/accounts/signup/" not in page
    assert "can invite you" in page


def test_the_sign_in_page_is_in_sentence_case(alice):
    page = Client().get("/accounts/login/").content.decode()
    assert "Sign In" not in page
    assert "<h1" in page
    assert "Sign in</h1>" in page


def test_no_message_repeats_the_sign_in(alice):
    form = {"login": alice.email, "password": "correct horse battery"}
    page = Client().post("/accounts/login/", form, follow=True)
    assert page.request["PATH_INFO"].startswith("/g/")
    assert "Successfully signed in" not in page.content.decode()
