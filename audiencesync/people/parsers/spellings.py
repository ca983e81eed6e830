"""Read spellings of countries, languages, genders and booleans, alike for API and import.

Each reader returns None for an unknown spelling; none of them guesses.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

import phonenumbers
from django.conf.locale import LANG_INFO

LONGEST_LANGUAGE = 8
_COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)
_LANGUAGE = re.compile(
    r"([A-Za-z]{2,3})([-_][A-Za-z]{4})?([-_](?:[A-Za-z]{2}|[0-9]{3}))?(?:[-_.@][\w-]+)*", re.ASCII
)
# A leading sign that may negate the word, such as -true or !yes, or a question mark.
_DOUBTFUL = re.compile(r"^\s*[-\u2010-\u2015\u2212!~\u00ac]|[?\uff1f]")
_TRUE_WORDS = "true 1 yes y t ja j wahr on oui vrai si sí vero sim verdadeiro verdadero"
_FALSE_WORDS = "false 0 no n f nein falsch off non faux falso nao não"
_GIVEN_WORDS = (
    "optedin optin subscribed granted given accepted agreed allowed consented confirmed doubleoptin"
    " erteilt zugestimmt zustimmung eingewilligt einwilligungerteilt akzeptiert angemeldet"
    " abonniert accepté accordé inscrit"
)
_REFUSED_WORDS = (
    "optedout optout unsubscribed denied refused rejected declined revoked withdrawn disagreed"
    " notgranted notgiven noconsent abgelehnt widerrufen verweigert nichterteilt abgemeldet"
    " widersprochen refusé retiré désinscrit"
)
# The codes of Braze; O: other, N: not applicable, P: prefers not to say.
_GENDERS = {
    "M": "m male man boy männlich mann herr mr hr masculin homme masculino hombre maschio",
    "F": "f female woman girl weiblich w frau mrs ms fr féminin femme femenino mujer femmina",
    "O": "o other d divers diverse nonbinary nichtbinär x autre otro",
    "N": "n notapplicable na nichtzutreffend",
    "P": "p prefernottosay prefersnottosay keineangabe ka undisclosed",
}
# Pairs: the two-letter code and the three-letter code of a country.
_ALPHA_3 = """
AD AND AE ARE AF AFG AG ATG AI AIA AL ALB AM ARM AO AGO \
AR ARG AS ASM AT AUT AU AUS AW ABW AX ALA AZ AZE BA BIH BB BRB
BD BGD BE BEL BF BFA BG BGR BH BHR BI BDI BJ BEN BL BLM \
BM BMU BN BRN BO BOL BQ BES BR BRA BS BHS BT BTN BW BWA BY BLR
BZ BLZ CA CAN CC CCK CD COD CF CAF CG COG CH CHE CI CIV \
CK COK CL CHL CM CMR CN CHN CO COL CR CRI CU CUB CV CPV CW CUW
CX CXR CY CYP CZ CZE DE DEU DJ DJI DK DNK DM DMA DO DOM \
DZ DZA EC ECU EE EST EG EGY EH ESH ER ERI ES ESP ET ETH FI FIN
FJ FJI FK FLK FM FSM FO FRO FR FRA GA GAB GB GBR GD GRD \
GE GEO GF GUF GG GGY GH GHA GI GIB GL GRL GM GMB GN GIN GP GLP
GQ GNQ GR GRC GT GTM GU GUM GW GNB GY GUY HK HKG HN HND \
HR HRV HT HTI HU HUN ID IDN IE IRL IL ISR IM IMN IN IND IO IOT
IQ IRQ IR IRN IS ISL IT ITA JE JEY JM JAM JO JOR JP JPN \
KE KEN KG KGZ KH KHM KI KIR KM COM KN KNA KP PRK KR KOR KW KWT
KY CYM KZ KAZ LA LAO LB LBN LC LCA LI LIE LK LKA LR LBR \
LS LSO LT LTU LU LUX LV LVA LY LBY MA MAR MC MCO MD MDA ME MNE
MF MAF MG MDG MH MHL MK MKD ML MLI MM MMR MN MNG MO MAC \
MP MNP MQ MTQ MR MRT MS MSR MT MLT MU MUS MV MDV MW MWI MX MEX
MY MYS MZ MOZ NA NAM NC NCL NE NER NF NFK NG NGA NI NIC \
NL NLD NO NOR NP NPL NR NRU NU NIU NZ NZL OM OMN PA PAN PE PER
PF PYF PG PNG PH PHL PK PAK PL POL PM SPM PN PCN PR PRI \
PS PSE PT PRT PW PLW PY PRY QA QAT RE REU RO ROU RS SRB RU RUS
RW RWA SA SAU SB SLB SC SYC SD SDN SE SWE SG SGP SH SHN \
SI SVN SJ SJM SK SVK SL SLE SM SMR SN SEN SO SOM SR SUR SS SSD
ST STP SV SLV SX SXM SY SYR SZ SWZ TC TCA TD TCD TF ATF \
TG TGO TH THA TJ TJK TK TKL TL TLS TM TKM TN TUN TO TON TR TUR
TT TTO TV TUV TW TWN TZ TZA UA UKR UG UGA UM UMI US USA \
UY URY UZ UZB VA VAT VC VCT VE VEN VG VGB VI VIR VN VNM VU VUT
WF WLF WS WSM YE YEM YT MYT ZA ZAF ZM ZMB ZW ZWE XK XKX AQ ATA GS SGS HM HMD BV BVT
"""
_OTHER_COUNTRIES = {
    "GB": (
        "uk england scotland wales northernireland schottland nordirland"
        " großbritannien grossbritannien greatbritain"
    ),
    "US": (
        "usa america unitedstatesofamerica amerika vereinigtestaaten vereinigtestaatenvonamerika"
        " etatsunis eeuu"
    ),
    "DE": "brd bundesrepublikdeutschland federalrepublicofgermany ger",
    "NL": "holland thenetherlands",
    "CZ": "czechia czechrepublic tschechien tschechischerepublik",
    "TR": "turkey türkei turkei türkiye turkiye",
    "KR": "southkorea südkorea republicofkorea",
    "RU": "russianfederation russischeföderation",
    "AE": "uae vae",
    "AT": "oesterreich republikösterreich",
    "CH": "switzerland schweiz suisse svizzera sui",
    "MK": "macedonia mazedonien nordmazedonien",
    "VN": "vietnam",
    "IR": "iran",
    "SY": "syria syrien",
    "MD": "moldova moldau",
    "TW": "taiwan",
    "BO": "bolivia bolivien",
    "TZ": "tanzania tansania",
    "VE": "venezuela",
    "BY": "weißrussland",
    "LA": "laos",
    "BN": "brunei",
    "CI": "ivorycoast elfenbeinküste",
    "CV": "capeverde kapverden",
    "SZ": "swaziland swasiland",
    "MM": "burma birma",
}
_OTHER_LANGUAGES = {
    "de": "deutsch ger deu allemand alemán tedesco schweizerdeutsch",
    "en": "englisch eng anglais inglés inglese englishus englishuk britishenglish americanenglish",
    "fr": "französisch franzoesisch fre fra francés francese",
    "es": "spanisch spa espagnol spagnolo castellano castilian",
    "it": "italienisch ita italien",
    "pt": "portugiesisch por portugais brazilianportuguese brasilianisch",
    "nl": "niederländisch holländisch dut nld flemish flämisch néerlandais",
    "pl": "polnisch pol polonais",
    "tr": "türkisch tur turc",
    "ru": "russisch rus russe",
    "uk": "ukrainisch ukr",
    "cs": "tschechisch cze ces",
    "sk": "slowakisch slk slo",
    "sl": "slowenisch slv",
    "hu": "ungarisch hun",
    "ro": "rumänisch rum ron",
    "bg": "bulgarisch bul",
    "hr": "kroatisch hrv",
    "sr": "serbisch srp",
    "bs": "bosnisch bos",
    "sq": "albanisch sqi alb",
    "el": "griechisch gre ell",
    "da": "dänisch dan",
    "sv": "schwedisch swe",
    "no": "norwegisch nor norwegian norsk",
    "fi": "finnisch fin",
    "et": "estnisch est",
    "lv": "lettisch lav",
    "lt": "litauisch lit",
    "ar": "arabisch ara",
    "fa": "persisch farsi fas per",
    "he": "hebräisch heb",
    "hi": "hindi hin",
    "zh": "chinesisch chi zho chinese 中文 chinois mandarin",
    "ja": "japanisch jpn",
    "ko": "koreanisch kor",
    "th": "thailändisch tha",
    "vi": "vietnamesisch vie",
    "id": "indonesisch ind",
    "ms": "malaiisch msa may",
    "ca": "katalanisch cat",
    "eu": "baskisch eus baq",
    "gl": "galicisch glg",
    "is": "isländisch isl ice",
}
_TWO_LETTERS = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy"
    " da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu"
    " hy hz ia id ie ig ii ik io is it iu iw ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la"
    " lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj"
    " om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su"
    " sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_THREE_LETTERS = (
    "aar abk afr agq aka alb amh apc ara arg ary arm arz asa asm ast ava ave aym aze bak bal bam"
    " ban baq bas bel bem ben bez bho bih bis bod bos bre brx bug bul bur cat ccp ceb ces cgg cha"
    " che chi chr chu chv ckb cor cos cre crh csb cym cze dan dav deu div dje dsb dua dut dyo dzo"
    " ebu ell eng epo est eus ewe ewo fao fas fij fil fin fon fra fre fry ful fur gag geo ger gla"
    " gle glg glv gom gos gre grn gsw guj guz hat hau haw hbs heb her hif hil hin hmn hmo hrv hsb"
    " hun hye ibo ice ido iii iku ile ilo ina ind ipk isl ita jam jav jgo jmc jpn kaa kab kal kam"
    " kan kas kat kau kaz kde kea khm khq kik kin kir kln kmr kok kom kon kor krc ksb ksf ksh kua"
    " kur lad lag lao lat lav lez lij lim lin lit lkt lmo lrc ltz lub lug luo lus luy mac mad mag"
    " mah mai mak mal mao mar mas may mer mfe mgh mgo min mkd mlg mlt mni mon mos mri mrj msa mua"
    " mwl mya mzn nap naq nau nav nbl nde ndo nds nep nld nmg nnh nno nob nor nqo nso nus nya nyn"
    " oci oji ori orm oss pag pam pan pap pcm per pli pms pnt pol por prg prs pus que quc roh rof"
    " ron rum run rup rus rwk sag sah san saq sat sbp scn sco sdc seh ses sgs shi shn sin skr slk"
    " slo slv sma sme smj smn smo sms sna snd som sot spa sqi srd srn srp ssw sun swa swc swe szl"
    " tah tam tat tel teo tet tgk tgl tha tib tir tok ton tpi tsn tso tuk tum tur twi twq tyv tzm"
    " udm uig ukr urd uzb vai vec ven vep vie vls vmf vol vun wae wel war wln wol wuu xal xho xog"
    " yav yid yor yrl yue zgh zha zho zul zza"
)
_ISO_639_1, _ISO_639_2 = frozenset(_TWO_LETTERS.split()), frozenset(_THREE_LETTERS.split())


def _key(text: str) -> str:
    """Return letters and digits only, case-folded: "Opted-in" equals "opted in"."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _code_by_spelling(spellings_by_code: dict[str, str]) -> dict[str, str]:
    return {
        _key(spelling): code
        for code, spellings in spellings_by_code.items()
        for spelling in spellings.split()
    }


_BOOLEAN_WORDS = dict.fromkeys(map(_key, _TRUE_WORDS.split()), True) | dict.fromkeys(
    map(_key, _FALSE_WORDS.split()), False
)
_CONSENT_WORDS = dict.fromkeys(map(_key, _GIVEN_WORDS.split()), True) | dict.fromkeys(
    map(_key, _REFUSED_WORDS.split()), False
)
_GENDER_CODES = _code_by_spelling(_GENDERS)
# The usual spellings, found without normalising: imports read millions of cells.
_PLAIN_BOOLEANS = {
    word: _BOOLEAN_WORDS[word] for word in ("true", "false", "1", "0", "yes", "no", "ja", "nein")
}


def boolean(text: str) -> bool | None:
    """Read a boolean in one of several languages: ``true``, ``Ja``, ``oui``, ``0``."""
    value = _PLAIN_BOOLEANS.get(text)
    if value is None and not _DOUBTFUL.search(text):
        return _BOOLEAN_WORDS.get(_key(text))
    return value


def consent(text: str) -> bool | None:
    """Read a boolean, or a word for given or refused consent: ``opted-in``, ``widerrufen``."""
    value = boolean(text)
    if value is None and not _DOUBTFUL.search(text):
        return _CONSENT_WORDS.get(_key(text))
    return value


def gender(text: str) -> str | None:
    """Return M, F, O, N or P; None also for error values of spreadsheets, such as ``#N/A``."""
    return None if text.lstrip()[:1] == "#" else _GENDER_CODES.get(_key(text))


@lru_cache(maxsize=4096)
def country(text: str) -> str | None:
    """Return the two-letter ISO 3166-1 code of a country.

    Accepted: this code, the three-letter code, and names in many languages.
    """
    key = _key(text)
    # UK is not the code of a country, but a common name of GB.
    if key == "uk" or not _COUNTRY.fullmatch(text.strip()):
        return _countries().get(key)
    code = text.strip().upper()
    return code if code in _country_names() or code in _codes().values() else None


@lru_cache(maxsize=4096)
def language(text: str) -> str | None:
    """Return the code of a language, at most 8 characters.

    A code such as de, pt-BR or zh_TW keeps its spelling; a name becomes its ISO 639-1 code.
    """
    text = text.strip()
    named_code, parts = _languages().get(_key(text)), _LANGUAGE.fullmatch(text)
    if named_code or not parts:
        return named_code
    code, script, region = parts.groups()
    if code.lower() not in _ISO_639_1 | _ISO_639_2:
        return None
    for tag in (f"{code}{script or ''}{region or ''}", f"{code}{region or ''}", code):
        if len(tag) <= LONGEST_LANGUAGE:
            return tag
    return None


@lru_cache(maxsize=1)
def _country_names() -> dict[str, dict[str, str]]:
    """Return the names of countries by language. Shape: {"DE": {"en": "Germany", "de": "*en"}}."""
    # `import phonenumbers.geodata.locale` would load the areas of all phone prefixes, too: 100 MB
    # and most of a second in every process. The file itself needs none of them.
    path = Path(phonenumbers.__file__).parent / "geodata" / "locale.py"
    spec = importlib.util.spec_from_file_location("phonenumbers.countries.locale", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names: dict[str, dict[str, str]] = module.LOCALE_DATA
    return names


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    codes = _ALPHA_3.split()
    return {three.lower(): two for two, three in zip(codes[::2], codes[1::2], strict=True)}


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Return spelling -> code: names in all languages of ``phonenumbers``, and three-letter codes.

    A name of two countries is left out.
    """
    codes_by_name: dict[str, set[str]] = {}
    for code, names in _country_names().items():
        for name in names.values():
            if not name.startswith("*"):
                codes_by_name.setdefault(_key(name), set()).add(code)
    unambiguous = {
        name: code
        for name, (code, *others) in (
            (name, sorted(codes)) for name, codes in codes_by_name.items()
        )
        if not others
    }
    return unambiguous | _codes() | _code_by_spelling(_OTHER_COUNTRIES)


@lru_cache(maxsize=1)
def _languages() -> dict[str, str]:
    """Return name -> code: English names, native names, and some in other languages."""
    code_by_name: dict[str, str] = {}
    for code, info in LANG_INFO.items():
        if "name" in info and len(code) <= 3:
            code_by_name |= {_key(info["name"]): code, _key(info["name_local"]): code}
    return code_by_name | _code_by_spelling(_OTHER_LANGUAGES)
