"""Keys in a table: hardware tokens as vendors list them, brought to our columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from idp_mfa.factor import SharedKey
from idp_mfa.key_files import Found, NotThisFormat, algorithm_of, found_key, octets_of_base32

COLUMNS = ("login", "serial", "base32", "hex", "algorithm", "digits", "period", "drift")


def read(text: bytes, owners: Mapping[str, str]) -> Sequence[Found]:
    """One key a row, below a row of the names in ``COLUMNS``; UTF-8, commas.

    Without a login the serial number says whose it is, by ``owners``.
    """
    try:
        rows = csv.DictReader(io.StringIO(text.decode("utf-8-sig")), strict=True)
        names = rows.fieldnames or ()
        _look(names)
        return [_key(f"line {rows.line_num}", row, owners) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotThisFormat(f"not a table in UTF-8 with commas: {error}") from None


def read_owners(text: bytes) -> Mapping[str, str]:
    """Logins by serial number, of a table with the columns ``serial`` and ``login``."""
    try:
        rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig")), strict=True))
        owners = {row["serial"].strip(): row["login"].strip() for row in rows}
    except (UnicodeDecodeError, csv.Error, KeyError, AttributeError):
        raise NotThisFormat("not a table with the columns serial and login") from None
    if len(owners) != len(rows):
        raise NotThisFormat("a serial number stands in two rows")
    return owners


def _look(names: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in COLUMNS]:
        raise NotThisFormat(
            f"the first row names {', '.join(unknown)}: the columns are {', '.join(COLUMNS)}"
        )
    if not {"base32", "hex"} & {*names}:
        raise NotThisFormat("the first row names no column base32 or hex, which holds the key")


def _key(place: str, row: Mapping[str | None, str | None], owners: Mapping[str, str]) -> Found:
    said = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    serial = said.get("serial", "")

    def made() -> SharedKey:
        if None in row:
            raise ValueError("the row has more values than columns")
        base32, hexadecimal = said.get("base32", ""), said.get("hex", "")
        if bool(base32) == bool(hexadecimal):
            raise ValueError("the row has no key, or two")
        return SharedKey(
            octets_of_base32(base32) if base32 else bytes.fromhex(hexadecimal),
            algorithm_of(said.get("algorithm", "")),
            _number(said, "digits", 6),
            _number(said, "period", 30),
            serial,
            _number(said, "drift", 0),
        )

    return found_key(place, said.get("login", "") or owners.get(serial, ""), made)


def _number(said: Mapping[str, str], name: str, usual: int) -> int:
    text = said.get(name, "")
    try:
        return int(text) if text else usual
    except ValueError:
        raise ValueError(f"{name} is no number") from None
