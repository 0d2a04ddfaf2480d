"""The long runs of the record and of the imports, scaled to seconds."""

from __future__ import annotations

import pytest

from tests.soak.brought_in import FORMATS, brought_in
from tests.soak.records import searched


@pytest.mark.alone
def test_records_are_found_in_a_file_of_many() -> None:
    found = searched(20_000)
    assert found.right, found
    assert found.by_reference < 1
    assert found.by_person_and_day < 3


def test_keys_of_each_format_are_brought_in_once_by_a_process_that_is_killed() -> None:
    done = brought_in(40, 2)
    assert len(done) == len(FORMATS)
    for one in done:
        assert one.right, one
        assert one.told_as_there >= 20, one
