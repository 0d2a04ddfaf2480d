"""Where templates, policies and configuration lie, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

FolderName = Literal["templates", "policies", "conf"]


def folder(name: FolderName) -> Path:
    """The folder: beside this file in a wheel, at the top of the tree in a checkout.

    Raises ``FileNotFoundError`` where neither is there: the installation is broken.
    """
    here = Path(__file__).resolve().parent
    for place in (here / name, here.parent.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{name} is missing from this installation of idp_mfa")
