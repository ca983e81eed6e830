"""Read spellings of countries, languages, genders and consent, for the API and the import."""

import pytest

from audiencesync.people.parsers import spellings


@pytest.mark.parametrize(
    ("code", "texts"),
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
def test_countries_are_read_by_code_and_name(code, texts):
    assert {text: spellings.country(text) for text in texts} == dict.fromkeys(texts, code)


@pytest.mark.parametrize(
    ("text", "code"),
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
def test_languages_are_read_by_code_and_name(text, code):
    assert spellings.language(text) == code


def test_every_code_is_read_as_itself():
    assert {code: spellings.country(code) for code in set(spellings._codes().values())} == {
        code: code for code in spellings._codes().values()
    }
    assert {code: spellings.language(code) for code in spellings._ISO_639_1} == {
        code: code for code in spellings._ISO_639_1
    }


@pytest.mark.parametrize(
    ("text", "means"),
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
def test_consent_answers_are_read(text, means):
    assert spellings.consent(text) is means


def test_a_consent_answer_is_no_boolean():
    assert spellings.boolean("granted") is None
    assert spellings.boolean("Vrai") is True


@pytest.mark.parametrize(
    ("text", "code"), [("Männlich", "M"), ("Frau", "F"), ("divers", "O"), ("d", "O"), ("?", None)]
)
def test_genders_are_read(text, code):
    assert spellings.gender(text) == code
