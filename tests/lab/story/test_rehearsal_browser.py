"""The rehearsal's browser shows and sends what a browser without JavaScript would."""

import pytest
import responses

from lab.story.browser import Browser, NotOnPage

PAGE = """<!doctype html><title>x</title><main id="main">
<a href="/there/"><svg><use href="#x"/></svg>Go there</a><a class="js-only" href="/no/">Hidden</a>
<form method="post" action="/save/">
  <input type="hidden" name="token" value="t">
  <label for="n">E-mail</label><input id="n" name="mail" value="a@b">
  <label class="check">
    <input type="checkbox" name="kinds" value="phone"><span>Phone (2 of 3)</span></label>
  <label><input type="checkbox" name="kinds" value="idfa" checked>IDFA</label>
  <label><input type="radio" name="act" value="add" checked>Add users</label>
  <label><input type="radio" name="act" value="remove">Remove users</label>
  <label for="s">List</label><select id="s" name="list"><option value="">Choose
    <option value="1">One – 1<option value="2" disabled>Two</select>
  <input name="blank">
  <fieldset disabled><label for="d">Locked</label><input id="d" name="locked" value="x"></fieldset>
  <textarea name="words">
first
second</textarea>
  <div class="js-only"><button>Magic</button></div>
  <button name="save" value="1">Save</button><button formaction="/other/">Create</button>
</form></main>"""


@pytest.fixture
def wire():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get("http://shop.test/", body=PAGE, content_type="text/html; charset=utf-8")
        for path in ("save", "other", "there"):
            mock.add(
                responses.POST if path != "there" else responses.GET,
                f"http://shop.test/{path}/",
                body="<p>Done.",
            )
        yield mock


@pytest.fixture
def page(wire):
    return Browser().open("http://shop.test/")


def sent_body(wire):
    return wire.calls[-1].request.body


def test_a_form_sends_its_fields(page, wire):
    page.form("Save").press("Save").expect("Done.")

    assert sent_body(wire) == (
        "token=t&mail=a%40b&kinds=idfa&act=add&list=&blank=&words=first%0Asecond&save=1"
    )


def test_labels_lead_to_fields(page, wire):
    form = (
        page.form("Save")
        .fill("Email", "c")
        .tick("Phone")
        .tick("Remove users")
        .choose("List", "One")
    )
    form.press("Create")

    assert wire.calls[-1].request.url == "http://shop.test/other/"
    assert sent_body(wire) == (
        "token=t&mail=c&kinds=phone&kinds=idfa&act=remove&list=1&blank=&words=first%0Asecond"
    )


def test_links_are_followed_by_their_text(page, wire):
    assert page.follow("Go there").url == "http://shop.test/there/"


@pytest.mark.parametrize(
    "act",
    [
        lambda page: page.follow("Hidden"),
        lambda page: page.form("Magic"),
        lambda page: page.form("Save").fill("Locked", "y"),
        lambda page: page.form("Save").choose("List", "Two"),
        lambda page: page.expect("something else"),
    ],
    ids=[
        "link without JavaScript",
        "button without JavaScript",
        "disabled field",
        "disabled option",
        "words",
    ],
)
def test_hidden_and_disabled_parts_are_missing(page, act):
    with pytest.raises(NotOnPage):
        act(page)


def test_cells_are_apart_and_inline_parts_are_not(wire):
    cells = "<table><tr><td>1</td><td>2 <b>€</b></td></tr></table><p>“<bdi>A</bdi>” was made.</p>"
    wire.get("http://shop.test/cells/", body=cells)

    assert Browser().open("http://shop.test/cells/").text == "1 2 € “A” was made."


def test_an_error_page_stops_the_story(page, wire):
    wire.get("http://shop.test/gone/", body="<main id='main'>Not found</main>", status=404)

    with pytest.raises(NotOnPage, match="404"):
        page.browser.open("http://shop.test/gone/")
