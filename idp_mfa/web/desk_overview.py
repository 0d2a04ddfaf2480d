"""The help desk's view of everybody: what goes on now, and lists of people to look after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, urlencode

from flask import Response, make_response, request

from idp_mfa.browser import Route
from idp_mfa.desk_door import PAGE, DeskDoor, Inside
from idp_mfa.model import Account, Clock, FactorKind, FactorName, ServiceId
from idp_mfa.policy.model import Policy
from idp_mfa.policy.places import told_apart
from idp_mfa.ports import AuditLog, Directory, Unavailable, Waiting
from idp_mfa.rosters import Roster, Row, listed, table
from idp_mfa.weather import weather

NOW, LISTS = f"{PAGE}/now", f"{PAGE}/lists"
SPAN = timedelta(minutes=15)
MOST_RECORDS = 5000
"""Of a rush only the newest are counted; the page says so."""
MOST_SHOWN = 500
"""People on a page; the file has all of them."""
_LONGEST = 100


class OverviewPages:
    """Counts for every role, lists of those alone whom a member of the staff may look at."""

    def __init__(
        self,
        *,
        door: DeskDoor,
        directory: Directory,
        audit: AuditLog,
        letters: Callable[[], Waiting],
        kinds: Mapping[FactorName, frozenset[FactorKind]],
        policy: Callable[[], Policy],
        service_name: Callable[[ServiceId, str], str],
        clock: Clock,
    ) -> None:
        self._door = door
        self._browser = door.browser
        self._directory = directory
        self._audit = audit
        self._letters = letters
        self._kinds = kinds
        self._policy = policy
        self._service_name = service_name
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route(NOW, "desk.now", self.now),
            Route(LISTS, "desk.lists", self.lists),
            Route(f"{LISTS}/csv", "desk.lists.csv", self.file),
        )

    def now(self) -> Response:
        """Is it everyone? Of all nodes, and no person is named."""
        inside = self._door.enter(NOW)
        if isinstance(inside, Response):
            return inside
        at = self._clock()
        records = self._audit.recent(MOST_RECORDS)
        is_cut = len(records) == MOST_RECORDS and records[-1].at > at - SPAN
        found = weather(records, at, SPAN, self._waiting())
        zones, language = {**found.asked, **found.skipped}, self._browser.language()
        return self._browser.page(
            "admin/now.html",
            user=inside.admitted.account.user,
            weather=found,
            zones=told_apart(self._policy(), zones, language),
            service=lambda id: self._service_name(id, language),
            at=self._browser.second(at),
            minutes=int(SPAN.total_seconds()) // 60,
            cut=MOST_RECORDS if is_cut else None,
            now_url=NOW,
            home_url=PAGE,
            csrf=self._door.csrf(),
        )

    def lists(self) -> Response:
        """People by the state of their factors."""
        inside = self._door.enter(LISTS)
        if isinstance(inside, Response):
            return inside
        roster, group = _asked()
        rows = None if roster is None else self._rows(inside, roster, group)
        query = "" if roster is None else urlencode({"list": roster.value, "group": group or ""})
        return self._browser.page(
            "admin/lists.html",
            user=inside.admitted.account.user,
            rosters=[one.value for one in Roster],
            roster=None if roster is None else roster.value,
            group=group or "",
            count=None if rows is None else len(rows),
            rows=[self._row(row) for row in (rows or ())[:MOST_SHOWN]],
            most=MOST_SHOWN,
            file_url=f"{LISTS}/csv?{query}",
            action=LISTS,
            home_url=PAGE,
            csrf=self._door.csrf(),
        )

    def file(self) -> Response:
        """The same list as CSV."""
        inside = self._door.enter(LISTS)
        if isinstance(inside, Response):
            return inside
        roster, group = _asked()
        if roster is None:
            return self._browser.see_other(LISTS)
        response = make_response(table(self._rows(inside, roster, group)))
        response.content_type = "text/csv; charset=utf-8; header=present"
        response.headers["Content-Disposition"] = f'attachment; filename="{roster.value}.csv"'
        return response

    def _rows(self, inside: Inside, roster: Roster, group: str | None) -> Sequence[Row]:
        def reached(account: Account) -> bool:
            return inside.member.case(account) is not None

        everyone = self._directory.everyone()
        rows = listed(filter(reached, everyone), roster, group, self._kinds)
        self._door.listed(inside, roster.value, len(rows))
        return rows

    def _row(self, row: Row) -> Mapping[str, object]:
        return {
            "url": f"{PAGE}/person/{quote(row.id, safe='')}",
            "login": row.login,
            "name": row.name,
            "factors": [(factor, state.value) for factor, state in row.factors],
            "since": None if row.since is None else self._browser.day(row.since),
        }

    def _waiting(self) -> Waiting | None:
        try:
            return self._letters()
        except Unavailable:
            return None


def _asked() -> tuple[Roster | None, str | None]:
    named = request.args.get("list", "")
    group = request.args.get("group", "").strip()[:_LONGEST]
    return next((one for one in Roster if one.value == named), None), group or None
