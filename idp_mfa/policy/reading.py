"""From YAML nodes to words, durations and messages; goes on after a problem to find them all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from idp_mfa.yaml_document import (
    Entry,
    ListNode,
    MappingNode,
    Node,
    Place,
    Problem,
    ScalarNode,
)

LANGUAGES = frozenset({"ja", "en"})
_DATE = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
_LISTED_AT_MOST = 30
_END_OF_DAY = "24:00"
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def suggestion(word: str, known: Mapping[str, str]) -> str:
    """A question after the nearest known word, or nothing; ``known`` maps spellings to words."""
    typed = word.lower()
    near = get_close_matches(typed, known, n=1) or [
        one for one in sorted(known) if len(typed) > 2 and one.startswith(typed)
    ]
    return f"; did you mean `{known[near[0]]}`?" if near else ""


def named(words: Iterable[str]) -> str:
    """Words in a sentence."""
    return ", ".join(f"`{word}`" for word in sorted(words))


def duration(text: str) -> timedelta | None:
    """``30s``, ``5m``, ``8h`` or ``1d``."""
    found = _DURATION.fullmatch(text)
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else None


class Reader:
    """Reads one document; every problem is kept with its place and reading goes on."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def refuse(self, place: Place, message: str) -> None:
        """One more problem."""
        self.problems.append(Problem.at(place, message))

    def mapping(
        self,
        node: Node,
        what: str,
        keys: Iterable[str],
        required: Iterable[str] = (),
        also_called: Mapping[str, str] | None = None,
    ) -> Mapping[str, Entry]:
        """The entries whose keys are known; the others, and required ones missing, are problems."""
        if not isinstance(node, MappingNode):
            self.refuse(node.place, f"{what} must be a mapping (`key: value`)")
            return {}
        known = dict.fromkeys(keys)
        spellings = {key: key for key in known} | dict(also_called or {})
        found: dict[str, Entry] = {}
        for entry in node.entries:
            key = entry.key.text
            if key in known:
                found[key] = entry
            else:
                near = suggestion(key, spellings)
                self.refuse(entry.key.place, f"`{key}` is not known in {what}{near}")
        for key in required:
            if key not in found:
                self.refuse(node.place, f"{what} needs `{key}`")
        return found

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """The items of a list."""
        if isinstance(node, ListNode):
            return node.items
        self.refuse(node.place, f"{what} must be a list")
        return ()

    def text(self, node: Node, what: str) -> str:
        """A text as written; numbers are taken as they stand."""
        if isinstance(node, ScalarNode) and node.text and node.value is not None:
            return node.text
        self.refuse(node.place, f"{what} must be a text")
        return ""

    def flag(self, node: Node, what: str) -> bool:
        """``true`` or ``false``."""
        if isinstance(node, ScalarNode) and isinstance(node.value, bool):
            return node.value
        self.refuse(node.place, f"{what} must be `true` or `false`")
        return False

    def number(self, node: Node, what: str, allowed: range) -> int:
        """A whole number of a range."""
        if isinstance(node, ScalarNode) and type(node.value) is int and node.value in allowed:
            return node.value
        self.refuse(node.place, f"{what} must be a number from {allowed[0]} to {allowed[-1]}")
        return allowed[0]

    def words(
        self, node: Node, what: str, known: frozenset[str] | None = None
    ) -> Mapping[str, Place]:
        """One word or a list of words with their places; the unknown are problems."""
        found: dict[str, Place] = {}
        for item in node.items if isinstance(node, ListNode) else (node,):
            word = self.text(item, f"each word of {what}")
            if word and known is not None and word not in known:
                near = suggestion(word, {one.lower(): one for one in known})
                listed = len(known) <= _LISTED_AT_MOST
                known_words = near or (f"; known are {named(known)}" if listed else "")
                self.refuse(item.place, f"`{word}` is not known in {what}{known_words}")
            elif word:
                found[word] = item.place
        return found

    def some_words(
        self, node: Node, what: str, known: frozenset[str] | None = None
    ) -> frozenset[str]:
        """At least one word."""
        if isinstance(node, ListNode) and not node.items:
            self.refuse(node.place, f"{what} names nothing")
        return frozenset(self.words(node, what, known))

    def duration(self, node: Node, what: str) -> timedelta | None:
        """``30s``, ``5m``, ``8h`` or ``1d``."""
        found = duration(node.text) if isinstance(node, ScalarNode) else None
        if found is None:
            self.refuse(node.place, f"{what} must be a duration such as `30s`, `5m`, `8h`, `1d`")
        return found

    def end_of_day(self, node: Node, what: str, zone: ZoneInfo) -> datetime | None:
        """The moment at which a day such as ``2027-03-31`` is over."""
        text = node.text if isinstance(node, ScalarNode) else ""
        try:
            day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None:
            self.refuse(node.place, f"{what} must be a day such as `2027-03-31`")
            return None
        return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)

    def moment(self, node: Node, what: str, zone: ZoneInfo) -> datetime | None:
        """``2026-04-01 09:00``, in a time zone unless it says its own offset."""
        try:
            found = datetime.fromisoformat(node.text if isinstance(node, ScalarNode) else "")
        except ValueError:
            self.refuse(node.place, f"{what} must be a moment such as `2026-04-01 09:00`")
            return None
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)

    def time_of_day(self, node: Node, what: str) -> time:
        """``08:00``; ``24:00`` is the midnight that ends a day."""
        text = node.text if isinstance(node, ScalarNode) else ""
        try:
            if _TIME.fullmatch(text):
                return time() if text == _END_OF_DAY else time.fromisoformat(text)
        except ValueError:
            pass
        self.refuse(node.place, f"{what} must be a time such as `08:00`")
        return time()

    def time_zone(self, node: Node, what: str) -> ZoneInfo:
        """``Asia/Tokyo``."""
        text = self.text(node, what)
        try:
            return ZoneInfo(text)
        except (ValueError, OSError, KeyError):
            near = suggestion(text, {one.lower(): one for one in available_timezones()})
            self.refuse(node.place, f"`{text}` is not known in {what}{near}")
            return ZoneInfo("UTC")

    def by_language(self, node: Node, what: str) -> Mapping[str, str]:
        """A text for each language."""
        entries = self.mapping(node, what, LANGUAGES, required=sorted(LANGUAGES))
        return {key: self.text(e.value, f"`{key}` of {what}") for key, e in entries.items()}
