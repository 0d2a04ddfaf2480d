"""gunicorn as we run it: our settings, and workers that leave nobody waiting when they stop."""

from __future__ import annotations

import gc
import runpy
import select
import socket
from collections.abc import Callable, Mapping, Sequence

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from idp_mfa import assets, locale
from idp_mfa.cli.house import Program

_COMPILED_WHEN_MET = ("portal/", "mail/", "demo/")
"""Folders of templates that a sign-in has no part in."""


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


def _somebody_waits(listener: socket.socket) -> bool:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn's settings from conf/gunicorn.conf.py and from ours; no command line of its own."""

    def __init__(
        self, program: Program, make: Callable[[], Flask], hooks: Mapping[str, Callable[..., None]]
    ) -> None:
        self._program = program
        self._make = make
        self._hooks = hooks
        super().__init__()

    def load_config(self) -> None:
        """Its own file first, then what our settings say."""
        server = self._program.settings.server
        values = runpy.run_path(str(assets.folder("conf") / "gunicorn.conf.py")) | {
            "bind": server.bind,
            "workers": server.workers,
            "threads": server.threads,
            "worker_class": Worker,
            "graceful_timeout": int(server.graceful_timeout.total_seconds()),
            **self._hooks,
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made once before the workers are forked."""
        app = self._make()
        compile_pages(app)
        gc.collect()
        gc.freeze()
        return app


def compile_pages(app: Flask) -> None:
    """Those that a sign-in may show, once for all workers: nobody waits for it after a restart."""
    for language in locale.LANGUAGES:
        locale.translations(language)
    for name in app.jinja_env.list_templates():
        if not name.startswith(_COMPILED_WHEN_MET):
            app.jinja_env.get_template(name)
