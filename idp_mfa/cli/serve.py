"""``idp-mfa serve``: gunicorn with the real parts."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from idp_mfa.cli.house import Program, fail
from idp_mfa.cli.server import Server


@click.command()
@click.pass_obj
def serve(program: Program) -> None:
    """Serve sign-ins with the real directory and store."""
    program.must_have_policy()
    address = program.settings.metrics.address
    if address is None:
        Server(program, program.house.application, {"post_fork": _forked(program)}).run()
        return
    with _listening(address) as listener, _shared_folder() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        Server(program, program.house.application, _counting(program, listener)).run()


def _forked(program: Program) -> Callable[[object, object], None]:
    def post_fork(_arbiter: object, _worker: object) -> None:
        program.house.start_post()
        program.house.start_purging()

    return post_fork


def _counting(program: Program, listener: socket.socket) -> Mapping[str, Callable[..., None]]:
    counted = program.house.counted()
    from idp_mfa import metrics  # noqa: PLC0415 - after the folder is named

    forked = _forked(program)

    def post_fork(arbiter: object, worker: object) -> None:
        metrics.serve(listener, counted)
        forked(arbiter, worker)

    def child_exit(_arbiter: object, worker: Any) -> None:
        metrics.forget(worker.pid)

    return {"post_fork": post_fork, "child_exit": child_exit}


@contextmanager
def _listening(address: tuple[str, int]) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server(address, family=_family(address[0]))
    except OSError as error:
        fail(f"metrics: {address[0]} port {address[1]}: {error.strerror}")
    with listener:
        yield listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@contextmanager
def _shared_folder() -> Iterator[Path]:
    """In memory where there is a place for it; removed by who made it, not by a worker."""
    maker = os.getpid()
    # Only a new folder of our own is made in it.
    memory = Path("/dev/shm")  # noqa: S108  # nosec B108
    place = Path(tempfile.mkdtemp("", "idp_mfa-metrics-", memory if memory.is_dir() else None))
    try:
        yield place
    finally:
        if os.getpid() == maker:
            shutil.rmtree(place, ignore_errors=True)
