"""What went wrong with the server, in words of our own: its own may repeat a key or a value."""

from __future__ import annotations

import re
import ssl

from redis import exceptions

WORDS = {
    "WRONGPASS": "refuses our user or password",
    "NOAUTH": "asks for a user and password",
    "NOPERM": "does not allow our user this command or key",
    "READONLY": "is a replica; name the primary",
    "MASTERDOWN": "is a replica without its primary",
    "OOM": "is full",
    "MISCONF": "cannot write its data to disk",
    "NOREPLICAS": "has too few replicas to take a write",
    "LOADING": "is still loading its data",
    "BUSY": "is busy with a script",
    "CLUSTERDOWN": "is a cluster",
    "MOVED": "is a cluster",
    "CROSSSLOT": "is a cluster",
    "NOSCRIPT": "forgets our scripts",
    "NOTANUMBER": "holds a counter that is no number",
    "WRONGTYPE": "holds a value of another type",
}
_CODE = re.compile(r"\b(" + "|".join(WORDS) + r")\b")


class PasswordFileUnreadable(exceptions.ConnectionError):
    """Raised inside the library while it connects, so that it drops the half-open connection."""


class NotPrimary(exceptions.ConnectionError):
    """Raised inside the library while it connects: the server is a replica."""


class NoPrimary(exceptions.ConnectionError):
    """Raised inside the library while it connects: no sentinel says which server it is."""


class Evicts(exceptions.ConnectionError):
    """Raised inside the library while it connects: the server may drop a lock for a newer key."""

    def __init__(self, policy: str) -> None:
        super().__init__(policy)
        self.policy = policy


def reason(error: exceptions.RedisError | OSError) -> str:
    """The reason as a predicate: "the server ..."."""
    match error:
        case PasswordFileUnreadable():
            return "cannot be used: our password file cannot be read"
        case NoPrimary():
            return "has no primary that a sentinel would name"
        case NotPrimary():
            return WORDS["READONLY"]
        case Evicts(policy=policy):
            return f"evicts keys (maxmemory-policy {policy}); set noeviction"
        case exceptions.TimeoutError():
            return "does not answer in time"
        case exceptions.MaxConnectionsError():
            return "has all our connections in use"
        case exceptions.ResponseError() | exceptions.AuthenticationError():
            return _answered(error)
        case exceptions.BusyLoadingError():
            return WORDS["LOADING"]
        case _:
            return _unreachable(error)


def _answered(error: exceptions.RedisError) -> str:
    code = _CODE.search(f"{getattr(error, 'status_code', '')} {error}")
    return "answers with an error" if code is None else WORDS[code[1]]


def _unreachable(error: BaseException) -> str:
    match error.__context__ if isinstance(error, exceptions.RedisError) else error:
        case ssl.SSLCertVerificationError() as failure:
            return f"has a certificate that does not verify ({failure.verify_message})"
        case ssl.SSLError():
            return "does not speak TLS as we do"
        case OSError(strerror=str(words)):
            return f"cannot be reached ({words})"
        case _:
            return "closed the connection"
