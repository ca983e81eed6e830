"""Every writer names the same columns of a profile."""

from audiencesync.people.models import Profile
from audiencesync.people.writing.bulk import NewProfile
from audiencesync.people.writing.columns import COLUMNS, HASHES, hashes_of

# Set by one process each: a merge, an erasure, or the database.
ELSEWHERE = {"app_group", "merged_into", "erased_at", "created_at", "updated_at"}


def test_columns_are_all_fields_of_the_model():
    fields = {field.name for field in Profile._meta.concrete_fields}
    assert set(COLUMNS) == fields - ELSEWHERE


def test_bulk_inserts_fill_the_same_columns():
    assert NewProfile._fields == ("app_group_id", *COLUMNS[1:], "created_at", "updated_at")


def test_each_hash_column_belongs_to_one_kind():
    kinds = ("email", "phone", "idfa", "gaid")
    assert sorted(name for kind in kinds for name in hashes_of(kind)) == sorted(HASHES)
