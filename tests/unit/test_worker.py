"""A worker ends when it is told to, wherever the signal finds it."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from idp_mfa.cli.worker import Worker


def test_a_signal_that_comes_while_work_is_handed_to_the_pool_ends_it() -> None:
    worker = Worker.__new__(Worker)
    worker.cfg = SimpleNamespace(worker_int=lambda _: None)
    ended = []

    def told() -> None:
        # As in the midst of a `submit`, which the handler interrupts in the same thread.
        with worker.tpool._shutdown_lock, pytest.raises(SystemExit):
            worker.handle_quit(signal.SIGQUIT, None)
        ended.append(True)

    worker.tpool = ThreadPoolExecutor(1)
    thread = threading.Thread(target=told, daemon=True)
    thread.start()
    thread.join(5)
    assert ended, "it waits for itself"
