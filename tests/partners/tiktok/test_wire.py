"""The body of a mapping request, built from 32-byte hashes."""

import hashlib
import json
import time

import pytest

from partners.base import KINDS, Action, Cells
from partners.tiktok.wire import build_mapping_body


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


A, B, C = sha("a"), sha("b"), sha("c")


def test_a_body_with_one_kind() -> None:
    body = build_mapping_body("70", Action.ADD, ["email"], [Cells(("9",), [(A,), (B,)])])
    assert json.loads(body) == {
        "advertiser_ids": ["70"],
        "action": "add",
        "id_schema": ["EMAIL_SHA256"],
        "batch_data": [
            [{"id": A.hex(), "audience_ids": ["9"]}],
            [{"id": B.hex(), "audience_ids": ["9"]}],
        ],
    }


def test_a_body_with_all_kinds_and_missing_cells() -> None:
    body = build_mapping_body(
        "70", Action.REMOVE, KINDS, [Cells(("9",), [(A, None, B, None), (None, None, None, C)])]
    )
    cell = {hashed: {"id": hashed.hex(), "audience_ids": ["9"]} for hashed in (A, B, C)}
    assert json.loads(body) == {
        "advertiser_ids": ["70"],
        "action": "delete",
        "id_schema": ["EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256", "AAID_SHA256"],
        "batch_data": [[cell[A], {}, cell[B], {}], [{}, {}, {}, cell[C]]],
    }


@pytest.mark.parametrize("width", [1, 2])
def test_each_part_has_its_own_audiences(width: int) -> None:
    parts = [
        Cells(("9", "10"), [(A,) * width]),
        Cells(("11",), []),
        Cells(("12",), [(B,) * width, (C,) * width]),
    ]
    rows = json.loads(build_mapping_body("70", Action.ADD, KINDS[:width], parts))["batch_data"]
    assert [(row[-1]["id"], row[-1]["audience_ids"]) for row in rows] == [
        (A.hex(), ["9", "10"]),
        (B.hex(), ["12"]),
        (C.hex(), ["12"]),
    ]


def test_a_body_without_rows() -> None:
    assert json.loads(build_mapping_body("70", Action.ADD, ["phone"], []))["batch_data"] == []


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[:3], ("phone", "gaid")])
def test_10_000_people_keep_their_order(kinds: tuple[str, ...]) -> None:
    rows = [tuple(sha(f"{kind}{n}") for kind in kinds) for n in range(10_000)]
    body = build_mapping_body("70", Action.ADD, kinds, [Cells(("9",), rows)])
    sent = [tuple(cell["id"] for cell in row) for row in json.loads(body)["batch_data"]]
    assert sent == [tuple(hashed.hex() for hashed in row) for row in rows]


@pytest.mark.parametrize(
    ("kinds", "rows"),
    [
        (["email"], [(A,), (None,)]),
        (["email", "phone"], [(A, B), (None, None)]),
        (["email"], [(b"alice@example.org",)]),
        (["email", "phone"], [(A, b"+491511234")]),
        (["email"], [(b"",)]),
        (["email", "phone"], [(A, b"")]),
        (["email", "phone"], [(A,)]),
        (["email"], [(A, B)]),
        (["email", "phone"], [(A, B), (A,)]),
        (["email", "email"], [(A, B)]),
        ([], [()]),
    ],
)
def test_invalid_rows_are_rejected(kinds: list[str], rows: list[tuple[bytes | None, ...]]) -> None:
    with pytest.raises(ValueError, match=r"identifier|cell|kinds|shorter|longer"):
        build_mapping_body("70", Action.ADD, kinds, [Cells(("9",), rows)])


def test_an_unknown_kind_is_rejected() -> None:
    with pytest.raises(KeyError):
        build_mapping_body("70", Action.ADD, ["fax"], [Cells(("9",), [(A,)])])


def test_ids_are_escaped_in_the_json() -> None:
    body = build_mapping_body('7"0', Action.ADD, ["email"], [Cells(('9"]}',), [(A,)])])
    assert json.loads(body)["advertiser_ids"] == ['7"0']
    assert json.loads(body)["batch_data"][0][0]["audience_ids"] == ['9"]}']


@pytest.mark.parametrize("width", [1, 3])
def test_building_a_body_is_fast(width: int) -> None:
    rows = [(A,) * width] * 10_000
    seconds = []
    for _ in range(5):
        started = time.thread_time()
        build_mapping_body("70", Action.ADD, KINDS[:width], [Cells(("9",), rows)])
        seconds.append(time.thread_time() - started)
    assert min(seconds) < 0.04, "less than 250,000 people a second, on any machine, is a mistake"
