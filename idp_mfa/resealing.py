"""Moving what is sealed from one key to another, person by person, while sign-ins go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from idp_mfa.model import UserId
from idp_mfa.ports import ChangeAnswer, CredentialStore

_TRIES = 5


class Resealing:
    """Each person is one atomic change, so that a run may be killed and begun again."""

    def __init__(self, credentials: CredentialStore) -> None:
        self._credentials = credentials

    def left(self) -> Mapping[str, int]:
        """How many values each key id has sealed; "" are those that name none."""
        return Counter(kid for holder in self._credentials.holders() for kid in holder.kids)

    def waiting(self, active: str) -> Sequence[UserId]:
        """Who has a value under another key than the active one."""
        return [
            holder.user for holder in self._credentials.holders() if set(holder.kids) - {active}
        ]

    def reseal(self, user: UserId) -> bool:
        """Whether all of this person's values that open are under the active key now.

        False: somebody changed them each time meanwhile, or the person is gone.
        """
        return any(self._credentials.reseal(user) is ChangeAnswer.DONE for _ in range(_TRIES))
