"""Names of audiences: valid ones, and the error of each invalid one."""

import pytest

from partners import registry
from partners.audiences import AudienceNameError, check_name

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize("name", [
    "winback", "Winback 2025", "a", "x" * 70, "20251224", "Käufer – Q4 (DE/AT)", "\U0001f389",
    FAMILY, "عملاء", "客户", "50 % off!",
])  # fmt: skip
def test_valid_names_are_not_changed(name):
    assert check_name(name, registry.get("tiktok")) == name


def test_surrounding_spaces_are_trimmed():
    assert check_name("  winback \t", registry.get("tiktok")) == "winback"


def test_letters_are_normalised():
    assert check_name("Ka\u0308ufer", registry.get("tiktok")) == "K\u00e4ufer"


def test_length_counts_characters_not_bytes():
    assert len(check_name("\U0001f389" * 70, registry.get("tiktok"))) == 70


@pytest.mark.parametrize(("name", "words"), [
    ("", "Type a name"),
    (" \t\u3000", "Type a name"),
    ("x" * 71, "71 characters, TikTok takes 70"),
    ("\U0001f389" * 71, "71 characters"),
    ("a\nb", "cannot be seen"),
    ("a\x00b", "cannot be seen"),
    ("a\x07", "cannot be seen"),
    ("a\u2028b", "cannot be seen"),
    ("a\u202eb", "cannot be seen"),
    ("a\u200bb", "cannot be seen"),
    ("\ud800", "cannot be seen"),
    ("\u200d", "at least one letter"),
    ("jane.doe@example.com", "looks like an e-mail"),
    ("for jane@example.com only", "looks like an e-mail"),
    ("+49 151 12345678", "phone number"),
    ("0151-1234 5678", "phone number"),
    ("(0151) 1234567890", "phone number"),
])  # fmt: skip
def test_an_invalid_name_has_a_clear_error(name, words):
    with pytest.raises(AudienceNameError) as error:
        check_name(name, registry.get("tiktok"))
    assert words in error.value.sentence()
