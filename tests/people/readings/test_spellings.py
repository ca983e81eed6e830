"""How people spell countries, languages, genders and consent: one table for the API and the import."""

import pytest

from audiencesync.people.readings import spellings


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "DE",
            [
                "de",
                "DE ",
                "DEU",
                "Germany",
                "Deutschland",
                "GERMANY",
                "Allemagne",
                "Alemania",
                "ドイツ",
            ],
        ),
        ("GB", ["gb", "UK", "GBR", "United Kingdom", "Großbritannien", "Vereinigtes Königreich"]),
        ("US", ["USA", "U.S.A.", "United States", "Vereinigte Staaten", "Estados Unidos"]),
        ("CI", ["Côte d’Ivoire", "Elfenbeinküste"]),
        (None, ["XX", "", "-", "N/A", "Bavaria", "EN", "D\0E", "1" * 5000]),
    ],
)
def test_countries_by_code_and_name(code, told):
    assert {one: spellings.country(one) for one in told} == dict.fromkeys(told, code)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("de", "de"),
        ("German", "de"),
        ("Deutsch", "de"),
        ("ENG", "en"),
        ("Français", "fr"),
        ("de_DE", "de_DE"),
        ("es-419", "es-419"),
        ("zh-Hans-CN", "zh-CN"),
        ("de_DE.UTF-8", "de_DE"),
        *((wrong, None) for wrong in ("--", "en-", "x", "xx", "", "1", "e" * 5000)),
    ],
)
def test_languages_by_code_and_name(told, code):
    assert spellings.language(told) == code


def test_every_code_of_a_country_and_a_language_is_its_own():
    assert {code: spellings.country(code) for code in set(spellings._codes().values())} == {
        code: code for code in spellings._codes().values()
    }
    assert {code: spellings.language(code) for code in spellings._ISO_639_1} == {
        code: code for code in spellings._ISO_639_1
    }


@pytest.mark.parametrize(
    ("told", "means"),
    [
        *(
            (yes, True)
            for yes in (
                "true",
                "Ja",
                "OUI",
                "sí",
                "wahr",
                "1",
                "opted-in",
                "Opt In",
                "granted",
                "erteilt",
            )
        ),
        *(
            (no, False)
            for no in ("false", "nein", "0", "opted_out", "unsubscribed", "widerrufen", "Non")
        ),
        *((what, None) for what in ("maybe", "", "-", "n/a", "2", "none")),
        *(
            (what, None)
            for what in (
                "-1",
                "\u20131",
                "\u22121",
                "!1",
                "~1",
                "1?",
                "yes?",
                "!granted",
                "granted?",
            )
        ),
    ],
)
def test_words_of_consent(told, means):
    assert spellings.consent(told) is means


def test_a_word_of_consent_is_no_truth():
    assert spellings.truth("granted") is None
    assert spellings.truth("Vrai") is True


@pytest.mark.parametrize(
    ("told", "code"), [("Männlich", "M"), ("Frau", "F"), ("divers", "O"), ("d", "O"), ("?", None)]
)
def test_genders(told, code):
    assert spellings.gender(told) == code
