"""Names of invented people, and phone numbers that authorities reserve for fiction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """Home of an invented person. ``phones``: (prefix, number of digits), reserved for fiction."""

    code: str
    language: str
    share: int
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    phones: tuple[tuple[str, int], ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GERMANY = Country(
    "DE",
    "de",
    40,
    _words(
        "Anna Ben Clara David Emilia Felix Greta Hannes Ida Jonas Klara Leon Marie Noah Paula Theo"
        " Jürgen Käthe"
    ),
    _words(
        "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch"
        " Bauer Krüger"
    ),
    (("+493023125", 3), ("+496990009", 3), ("+494066969", 3), ("+492214710", 3), ("+498999998", 3)),
)
BRITAIN = Country(
    "GB",
    "en",
    25,
    _words(
        "Amelia Arthur Beatrice Charlie Daisy Edward Florence George Harriet Imogen Jack Lily"
        " Oliver Poppy"
    ),
    _words(
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans"
        " Walker"
    ),
    tuple(
        (f"+44{area}", 3)
        for area in _words(
            "2079460 1134960 1144960 1154960 1164960 1174960 1214960 1314960 1414960"
        )
    ),
)
AMERICA = Country(
    "US",
    "en",
    20,
    _words(
        "Abigail Aiden Brooklyn Caleb Chloe Dylan Ella Ethan Grace Hunter Isaac Jayden Madison Nora"
        " Wyatt Zoe"
    ),
    _words(
        "Anderson Clark Davis Garcia Harris Hernandez Lee Lopez Martin Martinez Miller Moore Nguyen"
        " Perez"
    ),
    tuple(
        (f"+1{area}55501", 2)
        for area in _words(
            "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229"
            " 231 234 239 240 248 251 252 253 254 256 260 262 267 269 270 276 281 301 302 303 304"
            " 305 307 308 309 310 312 313 314 315 316 317 318"
        )
    ),
)
FRANCE = Country(
    "FR",
    "fr",
    15,
    _words(
        "Adèle Alice Antoine Camille Chloé Élodie Gabriel Hugo Inès Jules Léa Louis Manon Mathis"
        " Zoé"
    ),
    _words(
        "Bernard Bonnet Dubois Dupont Durand Fournier Girard Lambert Leroy Martin Moreau Petit Roux"
        " Simon"
    ),
    tuple((prefix, 4) for prefix in ("+3319900", "+3326191", "+3335301", "+3346571", "+3353649")),
)
COUNTRIES = (GERMANY, BRITAIN, AMERICA, FRANCE)
