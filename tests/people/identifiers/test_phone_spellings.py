"""Read a phone only if it can mean a single number, in every country and spelling."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from audiencesync.people.identifiers import phones
from tests.people.identifiers.test_hash_rows import EXAMPLES, PHONES

REGIONS = [
    *(
        "AR",
        "AT",
        "AU",
        "BE",
        "BR",
        "CA",
        "CH",
        "CN",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GB",
        "GR",
        "HR",
        "HU",
    ),
    *(
        "ID",
        "IE",
        "IL",
        "IN",
        "IT",
        "JP",
        "KE",
        "KR",
        "KZ",
        "MX",
        "NG",
        "NL",
        "NO",
        "NZ",
        "PE",
        "PH",
        "PL",
        "PT",
        "RO",
    ),
    *("RU", "SE", "SG", "TH", "TR", "UA", "US", "VN", "XK", "ZA"),
]


def example(region):
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), number


def exponent(digits, comma="."):
    return f"{digits[0]}{comma}{digits[1:]}E+{len(digits) - 1}"


SPELLINGS = {
    "E.164": lambda number: number,
    "in groups": lambda number: phonenumbers.format_number(
        phonenumbers.parse(number), PhoneNumberFormat.INTERNATIONAL
    ),
    "as a link": lambda number: phonenumbers.format_number(
        phonenumbers.parse(number), PhoneNumberFormat.RFC3966
    ),
    "00": lambda number: f"00{number[1:]}",
    "00 in groups": lambda number: f"00 {number[1:4]} {number[4:]}",
    "bare": lambda number: number[1:],
    "bare in groups": lambda number: f"{number[1:4]} {number[4:7]}-{number[7:]}",
    "float": lambda number: f"{number[1:]}.0",
    "float with a plus": lambda number: f"{number}.00",
    "float with a comma": lambda number: f"{number[1:]},0",
    "exponent": lambda number: exponent(number[1:]),
    "exponent with a comma": lambda number: exponent(number[1:], ","),
    "exponent without a sign": lambda number: exponent(number[1:]).replace("+", "").lower(),
    "with marks of direction": lambda number: f"\u202d{number}\u202c",
    "full-width": lambda number: "".join(chr(ord(one) + 0xFEE0) for one in number),
    "Arabic digits": lambda number: "".join(
        "٠١٢٣٤٥٦٧٨٩"[int(one)] if one.isdigit() else one for one in number
    ),
    "with an extension": lambda number: f"{number} ext. 12",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_of_the_own_country_is_read_in_every_spelling(spelling):
    numbers = {region: example(region)[0] for region in REGIONS}
    assert {
        region: phones.read(SPELLINGS[spelling](number), region)
        for region, number in numbers.items()
    } == {region: (number, None) for region, number in numbers.items()}


def test_a_number_in_national_format_is_read():
    numbers = {region: example(region) for region in REGIONS}
    national = {
        region: phonenumbers.format_number(two[1], PhoneNumberFormat.NATIONAL)
        for region, two in numbers.items()
    }
    parsed = {region: phones.read(text, region) for region, text in national.items()}
    assert [region for region in REGIONS if parsed[region] != (numbers[region][0], None)] == []


@pytest.mark.parametrize("home", ["DE", "US", "ID"])
def test_foreign_digits_without_a_plus_are_read_correctly_or_refused(home):
    numbers = [example(region)[0] for region in REGIONS if region not in ("US", "CA")]
    parsed = [phones.read(number[1:], home) for number in numbers]
    wrong = [
        two
        for two in zip(numbers, parsed, strict=True)
        if two[1] not in [(two[0], None), (None, "ambiguous")]
    ]
    assert wrong == []


@settings(max_examples=500)
@given(PHONES, st.sampled_from(["DE", "AT", "ID", "US", "RU", "IT", "XK"]))
def test_digits_without_a_plus_mean_one_number_or_none(number, region):
    bare = number[1:]
    if bare.startswith("0"):
        return
    abroad, home = phones.parse(number, ""), phones.parse(bare, region)
    parsed = phones.read(bare, region)
    if abroad and bare.startswith(str(phonenumbers.country_code_for_region(region))):
        assert parsed == (abroad, None)
    elif abroad and home and abroad != home:
        assert parsed == (None, "ambiguous")
    else:
        assert parsed.number in (abroad or home, None)
        # Germany and Austria refuse some long numbers
        assert parsed.number or not (abroad or home) or region in ("DE", "AT")


@settings(max_examples=1000)
@given(PHONES)
def test_the_fast_path_and_the_full_reading_agree(number):
    if phones.is_clean(number):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(phones, "is_clean", lambda _raw: False)
            assert phones.read(number, "DE") == phones.read(number, "US") == (number, None)


@pytest.mark.parametrize(
    ("raw", "region", "number"),
    [
        ("4917612345678", "DE", "+4917612345678"),
        ("49 151 12346017", "DE", "+4915112346017"),
        ("49 (0) 176 12345678", "DE", "+4917612345678"),
        ("(0)176 12345678", "DE", "+4917612345678"),
        ("https://wa.me/4917612345678", "DE", "+4917612345678"),
        ("41781234567", "AT", "+41781234567"),
        ("17612345678", "DE", "+4917612345678"),  # a spreadsheet removed the zero
        ("1761234562.0", "DE", "+491761234562"),
        ("01761234562.0", "DE", "+491761234562"),
        ("+49301234567.00", "DE", "+49301234567"),
        ("4.917612345678E12", "", "+4917612345678"),
        ("0.4917612345678e+13", "DE", "+4917612345678"),
        ("01.23.45.67.00", "FR", "+33123456700"),  # pairs, not a decimal
        ("6502530000", "US", "+16502530000"),
        ("1 650 253 0000", "US", "+16502530000"),
        ("(201) 555-0123", "US", "+12015550123"),  # grouped as in the US, so not Egypt
        ("8 (499) 123-45-67", "RU", "+74991234567"),
        ("1 650 253 0000", "DE", "+16502530000"),
        ("0044 20 7183 8750", "US", "+442071838750"),
        ("011 44 20 7183 8750", "US", "+442071838750"),
        ("8 916 123-45-67", "RU", "+79161234567"),
        ("9161234567", "RU", "+79161234567"),
        ("7012345678", "KZ", "+77012345678"),
        ("9176123456", "IN", "+919176123456"),  # begins with 91, but the rest is no number
        ("06 12345678", "IT", "+390612345678"),
        ("390612345678", "IT", "+390612345678"),
        ("+39 (0)6 12345678", "DE", "+390612345678"),
        ("+34 (0)912345678", "DE", "+34912345678"),
        ("tel:23125123;phone-context=+4930", "US", "+493023125123"),
        ("+493023125123;ext=7", "DE", "+493023125123"),
        ("030 23125123 #7", "DE", "+493023125123"),
        ("0511/123456", "DE", "+49511123456"),
        ("030/1234567", "DE", "+49301234567"),
        ("033638/1234", "DE", "+49336381234"),
        ("0681-1234-5", "DE", "+4968112345"),
        ("+49.17612345678", "DE", "+4917612345678"),
    ],
)
def test_an_unambiguous_number_is_read(raw, region, number):
    assert phones.read(raw, region) == (number, None)


@pytest.mark.parametrize(
    ("raw", "region", "problem"),
    [
        ("41781234567", "DE", "ambiguous"),  # Swiss, or German with an area code 417...
        ("2015550123", "US", "ambiguous"),  # Egypt, or New Jersey
        ("84991234567", "RU", "ambiguous"),  # Vietnam, or Moscow
        ("4232345678", "US", "ambiguous"),  # Liechtenstein, or Tennessee
        ("04917612345678", "DE", "ambiguous"),  # a zero for a plus, or an area code of Leer
        ("+39 (0)331 1234567", "DE", "ambiguous"),  # a mobile, or a landline of Busto Arsizio
        ("4.91761E11", "DE", "spreadsheet"),
        ("4.91761E+11", "DE", "spreadsheet"),
        ("4,91761E+11", "DE", "spreadsheet"),
        ("4.9176123456785E12", "DE", "spreadsheet"),
        ("4.917612345E12", "DE", "spreadsheet"),
        ("4917612345678E-2", "DE", "spreadsheet"),
        ("0176 1234562.0", "DE", "spreadsheet"),
        ("491,761,234,567.00", "DE", "spreadsheet"),
        ("030 23125123 home", "DE", "invalid"),
        ("O176 12345678", "DE", "invalid"),
        ("0176 1234567I", "DE", "invalid"),
        ("1-800-FLOWERS", "US", "invalid"),
        ("+49 30 1234***", "DE", "invalid"),
        ("030 1234567/68", "DE", "invalid"),
        ("+49 30 23125123; +49 176 12345678", "DE", "invalid"),
        ("110", "DE", "invalid"),
        ("0612345678", "US", "invalid"),
        *(
            (decimal, "US", "spreadsheet")
            for decimal in ("1234567890.5", "2015550123.4", "4.91761")
        ),
        *(
            (decimal, "DE", "spreadsheet")
            for decimal in ("491761234567.8", "49301234567.5", "4.91761")
        ),
        *(
            (far, "DE", "invalid")
            for far in ("491511175408", "336145584070", "4206005862654", "480510695574")
        ),
        *((short, "DE", "invalid") for short in ("+494930368", "+4949602590")),
        *((two, "ES", "invalid") for two in ("612345678/79", "612 34 56 78/79")),
        *(
            (two, "DE", "invalid")
            for two in ("030 12345/030 12346", "0681 1234 - 0681 1235", "0301234 0301235")
        ),
        *(
            (two, "DE", "invalid")
            for two in ("0301234\t0301235", "0301234 (030) 4567", "089 1234/1235", "030 123456/57")
        ),
        *(
            (mask, "DE", "invalid")
            for mask in ("+4930123---", "0301234----", "+4916859574...", "\u20263012345678")
        ),
        *(
            (mask, "DE", "invalid")
            for mask in ("**** 3012345678", "???30123456", "-4917612345678", "2. 0176 12345678")
        ),
        ("612345678", "IT", "invalid"),  # the zero is part of an Italian number
    ],
)
def test_an_ambiguous_or_invalid_number_is_refused_with_its_reason(raw, region, problem):
    assert phones.read(raw, region) == (None, problem)


def test_example_numbers_of_all_countries_are_read_without_a_plus():
    read = [phones.read(number[1:], "").number == number for number in EXAMPLES]
    assert all(read)
