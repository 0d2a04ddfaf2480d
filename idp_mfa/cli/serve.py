"""``idp-mfa serve``: gunicorn with the real parts."""

from __future__ import annotations

import gc
import runpy
from collections.abc import Callable
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from idp_mfa import assets
from idp_mfa.cli.house import Program


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn's settings from conf/gunicorn.conf.py and from ours; no command line of its own."""

    def __init__(self, program: Program, make: Callable[[], Any]) -> None:
        self._program = program
        self._make = make
        super().__init__()

    def load_config(self) -> None:
        """Its own file first, then what our settings say."""
        server = self._program.settings.server
        values = runpy.run_path(str(assets.folder("conf") / "gunicorn.conf.py")) | {
            "bind": server.bind,
            "workers": server.workers,
            "threads": server.threads,
            "graceful_timeout": int(server.graceful_timeout.total_seconds()),
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made once before the workers are forked."""
        app = self._make()
        gc.collect()
        gc.freeze()
        return app


@click.command()
@click.pass_obj
def serve(program: Program) -> None:
    """Serve sign-ins with the real directory and store."""
    _Server(program, program.house.application).run()
