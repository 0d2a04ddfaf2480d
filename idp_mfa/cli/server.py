"""gunicorn as we run it: our settings, and an application that is made before its workers."""

from __future__ import annotations

import gc
import runpy
from collections.abc import Callable, Mapping

from flask import Flask
from gunicorn.app.base import BaseApplication

from idp_mfa import assets, locale
from idp_mfa.cli.house import Program

_COMPILED_WHEN_MET = ("portal/", "mail/", "demo/")
"""Folders of templates that a sign-in has no part in."""


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
