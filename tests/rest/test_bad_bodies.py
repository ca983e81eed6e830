"""Refuse bodies that no proper client sends: nothing is written, never a 5xx."""

import pytest

from audiencesync.people.models import Erasure, Event, Profile, UserAlias
from canvases.models import Canvas, Visit
from tests.people.api.test_bad_values import CASES, FIELD_CASES
from tests.rest.test_every_operation import OPERATIONS

VALID = b'{"external_id":"ok"}'
DEEP = 100_000


def track(objects):
    return b'{"attributes":[' + objects + b"]}"


NOT_JSON = {
    "space": b" ",
    "a word": b"hello",
    "form": b"a=1&b=2",
    "cut off": b'{"attributes":[',
    "two documents": b"{}{}",
    "single quotes": b"{'attributes':[]}",
    "trailing comma": b'{"attributes":[],}',
    "a comment": b'{"attributes":[] /* x */}',
    "NaN": track(b'{"external_id":"a","n":NaN}'),
    "Infinity": track(b'{"external_id":"a","n":Infinity}'),
    "-Infinity": track(b'{"external_id":"a","n":-Infinity}'),
    "1e999": track(b'{"external_id":"a","n":1e999}'),
    "2^63": track(b'{"external_id":"a","n":9223372036854775808}'),
    "-2^63-1": track(b'{"external_id":"a","n":-9223372036854775809}'),
    "20 digits": track(b'{"external_id":"a","n":12345678901234567890}'),
    "5000 digits": track(b'{"external_id":"a","n":' + b"9" * 5000 + b"}"),
    "5000 decimals": track(b'{"external_id":"a","n":0.' + b"9" * 5000 + b"}"),
    "octal": track(b'{"external_id":"a","n":007}'),
    "same key twice": track(b'{"external_id":"a","external_id":"b"}'),
    "same key twice inside": track(b'{"external_id":"a","x":{"y":1,"y":1}}'),
    "same array twice": b'{"attributes":[{"external_id":"a"}],"attributes":[{"external_id":"b"}]}',
    "NUL": track(b'{"external_id":"a\\u0000b"}'),
    "NUL in an attribute": track(b'{"external_id":"a","x":{"y":["\\u0000"]}}'),
    "NUL in a name": track(b'{"external_id":"a","x\\u0000":1}'),
    "bare NUL": track(b'{"external_id":"a\x00"}'),
    "half a pair": track(b'{"external_id":"a","x":"\\ud83d"}'),
    "other half": track(b'{"external_id":"a","x":["\\uDE00"]}'),
    "pair the wrong way": track(b'{"external_id":"a","x":"\\ude00\\ud83d"}'),
    "half a pair in a name": track(b'{"external_id":"a","\\ud83d":1}'),
    "a line break": track(b'{"external_id":"a\nb"}'),
    "UTF-16": '{"attributes":[{"external_id":"a"}]}'.encode("utf-16"),
    "UTF-32": '{"attributes":[{"external_id":"a"}]}'.encode("utf-32"),
    "Latin-1": '{"attributes":[{"external_id":"ä"}]}'.encode("latin-1"),
    "surrogate bytes": track(b'{"external_id":"\xed\xa0\xbd"}'),
    "overlong UTF-8": track(b'{"external_id":"\xc0\xaf"}'),
    "two BOMs": b"\xef\xbb\xbf\xef\xbb\xbf" + track(VALID),
    "deep lists": b'{"attributes":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "900 deep": track(b'{"external_id":"a","x":' + b"[" * 900 + b"]" * 900 + b"}"),
    "26 deep": track(b'{"external_id":"a","x":' + b"[" * 26 + b"]" * 26 + b"}"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}
NOT_A_CALL = {
    "null": b"null",
    "a list": b"[]",
    "a text": b'"attributes"',
    "a number": b"1",
    "a boolean": b"true",
    "an empty object": b"{}",
    "nothing to do": b'{"attributes":[],"events":[],"purchases":[]}',
    "nulls": b'{"attributes":null}',
    "an object for a list": b'{"attributes":{}}',
    "a text for a list": b'{"attributes":"x"}',
    "a number for a list": b'{"events":1}',
    "a boolean for a list": b'{"purchases":false}',
    "other names": b'{"users":[{"external_id":"a"}]}',
    "only bad ones": b'{"attributes":[null,1,"x",[],{}]}',
    "76 objects": track(b",".join([VALID] * 76)),
    "10000 objects": track(b",".join([VALID] * 10_000)),
}


def test_the_corpus_is_large():
    assert len(NOT_JSON) + len(NOT_A_CALL) + len(CASES) + len(FIELD_CASES) >= 300


@pytest.mark.parametrize("path", [path for method, path in OPERATIONS if method == "post"])
@pytest.mark.parametrize("name", [*NOT_JSON, *NOT_A_CALL])
def test_a_bad_body_is_refused_and_changes_nothing(api, acme, path, name):
    Profile.objects.create(app_group=acme, external_id="here", email="here@example.org")
    Canvas.objects.create(app_group=acme, name="Cart", state="live")
    before = rows()
    answer = api.post(path, (NOT_JSON | NOT_A_CALL)[name])
    assert answer.status_code == 400, answer.content
    body = answer.json()
    assert body["message"]
    assert rows() == before


def rows():
    models = (
        Profile.everybody,
        UserAlias.objects,
        Event.objects,
        Erasure.objects,
        Visit.objects,
        Canvas.objects,
    )
    return [list(rows.order_by("pk").values()) for rows in models]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + track(VALID),
        b" \r\n\t" + track(VALID) + b"\n",
        track(b'{"external_id":"ok","x":"\\ud83d\\ude00","y":"\\\\u0000"}'),
        track(
            b'{"external_id":"ok","x":9007199254740992,"y":-1e300,"z":0.1e-7}'.replace(
                b"-1e300", b"-1e15"
            )
        ),
        b'{"attributes":[{"external_id":"ok"}],"unknown":{"a":1},"app_id":"x"}',
    ],
    ids=["a BOM", "white space", "a pair, and a written backslash", "numbers", "unknown names"],
)
def test_an_unusual_but_valid_body_is_accepted(api, person, body):
    assert api.post("/users/track", body).status_code == 201
    assert person("ok")
