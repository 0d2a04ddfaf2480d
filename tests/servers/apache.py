"""Debian's Apache as a service provider's web server: one page that shows what a visitor brings."""

from __future__ import annotations

import contextlib
import html
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.foreground import hand_over, listening, running

USER = "www-data"
MODULES = Path("/usr/lib/apache2/modules")
_NEEDED = (
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_host",
    "authz_user",
    "dir",
    "env",
    "include",
    "mime",
    "setenvif",
)
PAGES = ("open", "secure", "secure/mfa")
_PAGE = """<!doctype html><title>What came</title><pre id="what-came"><!--#printenv --></pre>
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a server listens, and the origin by which browsers know it.

    They differ behind a proxy that ends TLS.
    """

    port: int
    origin: str

    @property
    def listen_url(self) -> str:
        """The address to which a proxy or a test of ours connects."""
        return f"http://127.0.0.1:{self.port}"


def loopback(port: int) -> Site:
    """A site that browsers reach without a proxy."""
    return Site(port, f"http://127.0.0.1:{port}")


def what_came(page: str) -> dict[str, str]:
    """The environment that the page printed, by name."""
    printed = page.split('id="what-came">', 1)[1].split("</pre>", 1)[0]
    pairs = (line.partition("=") for line in printed.splitlines() if "=" in line)
    return {html.unescape(name): html.unescape(value) for name, _, value in pairs}


@contextlib.contextmanager
def apache(
    folder: Path, site: Site, *, modules: Sequence[str], configuration: str
) -> Iterator[None]:
    """Serve the page at each of ``PAGES``, under ``configuration``."""
    pages = folder / "pages"
    for name in PAGES:
        (pages / name).mkdir(parents=True, exist_ok=True)
        (pages / name / "index.shtml").write_text(_PAGE)
    main = folder / "apache.conf"
    main.write_text(_configuration(folder, pages, site, modules, configuration))
    hand_over(folder, USER)
    with running(
        ("/usr/sbin/apache2", "-f", str(main), "-D", "FOREGROUND"),
        log=folder / "apache.out",
        ready=lambda: listening(site.port),
    ):
        yield


def _configuration(
    folder: Path, pages: Path, site: Site, modules: Sequence[str], configuration: str
) -> str:
    loads = "\n".join(
        f"LoadModule {_module_name(name)} {MODULES}/mod_{name}.so" for name in (*_NEEDED, *modules)
    )
    owner = f"User {USER}\nGroup {USER}" if os.geteuid() == 0 else ""
    return f"""
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
Mutex file:{folder} default
Listen 127.0.0.1:{site.port}
ServerName {site.origin}
UseCanonicalName On
ErrorLog {folder}/apache.log
LogLevel warn
{owner}
{loads}
StartServers 1
MinSpareThreads 1
MaxSpareThreads 8
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
LimitRequestLine 16384
LimitRequestFieldSize 16384
TypesConfig /dev/null
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
DirectoryIndex index.shtml
DocumentRoot {pages}
<Directory {pages}>
    Options +Includes
    Require all granted
</Directory>
{configuration}
"""


def _module_name(name: str) -> str:
    return {"shib": "mod_shib", "auth_mellon": "auth_mellon_module"}.get(name, f"{name}_module")
