"""Servers that hang, fall silent, or say what they are told."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

from idp_mfa.directory.ldap import LdapDirectory
from tests.servers.slapd import Person, Slapd

MDB = "olcDatabase={1}mdb,cn=config"
ALICE = Person("alice", "Alice")
Opened = Callable[..., LdapDirectory]


@contextlib.contextmanager
def trap(
    answer: Callable[[socket.socket], None] | None = None,
) -> Iterator[tuple[str, list[bytes]]]:
    """A listener that answers nothing, or what it is told, and keeps what it hears."""
    heard: list[bytes] = []
    open_: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    open_.append(peer)
                    threading.Thread(target=hear, args=(peer,), daemon=True).start()

        def hear(peer: socket.socket) -> None:
            with contextlib.suppress(OSError):
                heard.append(peer.recv(4096))
                if answer is not None:
                    answer(peer)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"ldap://127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for peer in open_:
                peer.close()


@contextlib.contextmanager
def stopped(server: Slapd) -> Iterator[None]:
    """A server that holds its connections and says nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds
