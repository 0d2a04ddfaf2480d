"""A slapd for each test, and what is opened on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.directory.options import LdapOptions
from idp_mfa.sealed import Sealer
from tests.contracts.directory_sites import RING, now
from tests.contracts.ldap.traps import Opened
from tests.servers.slapd import Slapd, slapd


@pytest.fixture
def server() -> Iterator[Slapd]:
    with slapd() as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Adapters that are closed when the test ends."""
    directories: list[LdapDirectory] = []

    def open_(options: LdapOptions, **changes: object) -> LdapDirectory:
        directory = LdapDirectory(
            replace(options, **changes), Sealer(RING, os.urandom), now, time.monotonic
        )
        directories.append(directory)
        return directory

    yield open_
    for directory in directories:
        directory.close()
