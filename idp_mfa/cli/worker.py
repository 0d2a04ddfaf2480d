"""gunicorn's workers as we run them: they leave nobody waiting when they stop, and they do stop."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from types import FrameType

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads; one that stops takes whoever waits at the door, then closes the door.

    gunicorn's own keeps the listening socket open, unheard, for as long as it finishes: the kernel
    goes on taking connections, and all of them are reset in the end. A balancer must not send a
    POST that may have been heard to another node, so somebody's sign-in would be interrupted.
    """

    sockets: Sequence[socket.socket]

    def set_accept_enabled(self, enabled: bool) -> None:
        """Listen or not; a worker that stops never listens again."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while _somebody_waits(listener):
                    self.accept(listener)
                listener.close()
            self.sockets = ()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once.

        gunicorn's own first shuts its pool, whose lock this very thread may be holding when the
        signal comes: then it never ends, and goes on holding the address.
        """
        super(ThreadWorker, self).handle_quit(sig, frame)


def _somebody_waits(listener: socket.socket) -> bool:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))
