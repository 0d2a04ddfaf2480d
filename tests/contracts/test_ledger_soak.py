"""The long runs of the record and of the imports, scaled to seconds."""

from __future__ import annotations

import time

import pytest

from tests.soak.brought_in import FORMATS, brought_in
from tests.soak.records import searched


@pytest.mark.alone
def test_records_are_found_in_a_file_of_many() -> None:
    """In a small part of the time that it takes to look at each line once.

    With that, 1,000,000 records are searched by reference in less than a second and by person and
    day in less than three (``python -m tests.soak records``). The time is the processor's own.
    """
    found = searched(20_000, time.process_time, tries=3)
    assert found.right, found
    assert found.by_reference < min(1, found.verified / 3), found
    assert found.by_person_and_day < min(3, found.verified / 3), found


def test_keys_of_each_format_are_brought_in_once_by_a_process_that_is_killed() -> None:
    done = list(brought_in(40, 2))
    assert len(done) == len(FORMATS)
    for one in done:
        assert one.right, one
        assert one.told_as_there >= 20, one
