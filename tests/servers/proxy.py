"""A TCP proxy of our own between the product and a server: it breaks what it is told to break."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

CHUNK = 65536
LOOK_SECONDS = 0.1


class Mood(Enum):
    """How the road is, for everybody."""

    WELL = "well"
    DOWN = "down"
    """What is open is cut, what is new is cut at once."""
    SILENT = "silent"
    """Half-open: everything is taken, nothing passes."""


class Act(Enum):
    """What happens to one command."""

    CUT_BEFORE = "cut before the server has it"
    CUT_AFTER = "cut when the server has done it"
    LOSE = "the answer never comes"
    LATE = "the answer comes too late"
    GARBLE = "the answer is garbage"
    KILL_BEFORE = "who asks is killed before the server has it"
    KILL_AFTER = "who asks is killed when the server has done it"


LATE_SECONDS = 1.5


@dataclass(slots=True)
class _Planned:
    """Commands left to let pass, then the act."""

    left: int
    act: Act


class Proxy:
    """One server's road. A command is what a client sends in one piece, as ours do.

    ``kill`` is told the client's port, and ends the process that holds it.
    """

    def __init__(self, target: tuple[str, int], kill: Callable[[int], None]) -> None:
        self._target = target
        self._kill = kill
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._open: set[socket.socket] = set()
        self.mood = Mood.WELL
        self.delay = 0.0
        """Seconds that each answer takes longer."""
        self.commands = 0
        """Commands seen so far."""
        self.happened: list[Act] = []
        """What was done, in its order."""
        threading.Thread(target=self._accept, daemon=True).start()

    def at(self, number: int, act: Act) -> None:
        """Do this to the ``number``-th command from now, whoever sends it; the next is 1."""
        with self._lock:
            self._planned.append(_Planned(number - 1, act))

    def well(self) -> None:
        """From here on everything passes; what hung is cut, as when a cable is plugged in again."""
        with self._lock:
            hung = self.mood is Mood.SILENT
            self._planned.clear()
            self.mood, self.delay = Mood.WELL, 0.0
        if hung:
            self.cut()

    def cut(self) -> None:
        """End every connection that is open now."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def down(self) -> None:
        """No road at all."""
        self.mood = Mood.DOWN
        self.cut()

    def silent(self) -> None:
        """A road into nothing."""
        self.mood = Mood.SILENT

    def close(self) -> None:
        """Stop."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    # -- inside ------------------------------------------------------------------------------

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, (_, port) = self._listener.accept()
                threading.Thread(target=self._carry, args=(client, port), daemon=True).start()

    def _carry(self, client: socket.socket, port: int) -> None:
        with client, contextlib.suppress(OSError):
            if self.mood is Mood.DOWN:
                return
            with socket.create_connection(self._target, 5) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= {client, server}
                try:
                    self._pass_on(client, server, port)
                finally:
                    with self._lock:
                        self._open -= {client, server}

    def _pass_on(self, client: socket.socket, server: socket.socket, port: int) -> None:
        asked: Act | None = None
        while True:
            ready, _, _ = select.select((client, server), (), (), LOOK_SECONDS)
            if self.mood is Mood.DOWN:
                return
            if self.mood is Mood.SILENT:
                time.sleep(LOOK_SECONDS)
                if ready and client in ready and not client.recv(CHUNK, socket.MSG_PEEK):
                    return
                continue
            if client in ready:
                command = client.recv(CHUNK)
                if not command:
                    return
                asked = self._act_of_next()
                if not self._sent(command, server, port, asked):
                    return
            if server in ready:
                answer = server.recv(CHUNK)
                if not answer or not self._answered(answer, client, port, asked):
                    return
                asked = None

    def _act_of_next(self) -> Act | None:
        with self._lock:
            self.commands += 1
            for planned in self._planned:
                if planned.left == 0:
                    self._planned.remove(planned)
                    self.happened.append(planned.act)
                    return planned.act
                planned.left -= 1
            return None

    def _sent(self, command: bytes, server: socket.socket, port: int, act: Act | None) -> bool:
        """Whether the connection lives on."""
        match act:
            case Act.CUT_BEFORE:
                return False
            case Act.KILL_BEFORE:
                self._kill(port)
                return False
            case _:
                server.sendall(command)
                return True

    def _answered(self, answer: bytes, client: socket.socket, port: int, act: Act | None) -> bool:
        """Whether the connection lives on."""
        match act:
            case Act.CUT_AFTER:
                return False
            case Act.KILL_AFTER:
                self._kill(port)
                return False
            case Act.LOSE:
                # A stream loses its end, never its middle: from here on nothing comes any more.
                while client.recv(CHUNK):
                    pass
                return False
            case Act.GARBLE:
                client.sendall(b"\x00garbage\xff\r\n" * 3)
                return False
            case Act.LATE:
                time.sleep(LATE_SECONDS)
            case _:
                time.sleep(self.delay)
        client.sendall(answer)
        return True


@contextlib.contextmanager
def proxy(target: tuple[str, int], kill: Callable[[int], None]) -> Iterator[Proxy]:
    """A road to a server on ``target``, well at first."""
    road = Proxy(target, kill)
    try:
        yield road
    finally:
        road.close()
