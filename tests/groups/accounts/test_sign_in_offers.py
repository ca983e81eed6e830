"""The sign-in page offers only what works: sign-up is closed to those who come without an invitation."""

from django.test import Client


def test_no_sign_up_is_offered_while_it_is_closed(alice):
    page = Client().get("/accounts/login/").content.decode()
    assert "/accounts/signup/" not in page
    assert "can invite you" in page


def test_its_words_are_in_sentence_case(alice):
    page = Client().get("/accounts/login/").content.decode()
    assert "Sign In" not in page
    assert "<h1" in page
    assert "Sign in</h1>" in page


def test_no_message_repeats_who_has_signed_in(alice):
    entered = {"login": alice.email, "password": "correct horse battery"}
    page = Client().post("/accounts/login/", entered, follow=True)
    assert page.request["PATH_INFO"].startswith("/g/")
    assert "Successfully signed in" not in page.content.decode()
