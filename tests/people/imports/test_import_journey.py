"""Import a file from upload to result: preview, mapping, check, import."""

import pytest

from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.imports import Import, UploadPart

pytestmark = pytest.mark.thorough

PEOPLE = (
    "external_id;E-Mail;Telefon;Land;newsletter;orders\r\n"
    "c-1;Anna@Example.org;0151 12345678;de;true;3\r\n"
    "c-2;bert@example.org;;;false;4,5\r\n"
    ";nobody@example.org;;;true;1\r\n"
    "c-1;;;AT;;7\r\n"
)


def test_an_import_from_upload_to_result(import_pages, acme, make_profile):
    make_profile(external_id="c-2", phone="+4915112345679", attributes={"vip": True})
    url = import_pages.upload_url(PEOPLE)
    page = import_pages.client.get(url)
    assert page.context["layout"] == {"encoding": "utf-8", "delimiter": "semicolon", "header": "1"}
    assert "Anna@Example.org" in page.content.decode()
    assert [column.target for column, _t, _n in page.context["form"].rows()] == [
        "external_id", "email", "phone", "country", "truth", "number",
    ]  # fmt: skip
    checked = import_pages.post(url, "check").context["checked"]
    assert (checked.n_rows, checked.n_rejected, checked.is_whole_file) == (4, 1, True)
    assert [(phone.raw, phone.value) for phone in checked.phones] == [
        ("0151 12345678", "+4915112345678")
    ]
    assert Profile.objects.count() == 1
    row = import_pages.run_to_end(PEOPLE, segment_name="From the shop")
    assert row.state == "done"
    assert (row.n_rows, row.n_created, row.n_updated, row.n_rejected, row.n_people) == (
        4,
        1,
        2,
        1,
        2,
    )
    anna, bert = Profile.objects.order_by("external_id")
    assert (anna.email, anna.country, anna.attributes) == (
        "Anna@Example.org",
        "AT",
        {"newsletter": True, "orders": 7},
    )
    assert anna.phone_sha256 is not None
    assert (bert.phone, bert.attributes) == (
        "+4915112345679",
        {"vip": True, "newsletter": False, "orders": 4.5},
    )
    assert import_pages.rejects(row)[1].startswith(
        '"4","The cell that people are found by is empty."'
    )
    segment = Segment.objects.get()
    assert (
        import_pages.client.get(f"/g/acme/people/segments/{segment.pk}/").context["coverage"].total
        == 2
    )
    page = import_pages.client.get(f"/g/acme/people/imports/{row.pk}/")
    assert "The import is done" in page.content.decode()
    assert UploadPart.objects.filter(upload=row.upload).count() == 0
    assert Import.objects.filter(state="uploaded").count() == 1
