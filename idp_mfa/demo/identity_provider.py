"""The product as the demo runs it: ``gunicorn idp_mfa.demo.identity_provider:application()``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from idp_mfa.compose import compose
from idp_mfa.demo.address import SeenFrom
from idp_mfa.settings import load
from idp_mfa.yaml_document import Problems

SETTINGS = "IDP_MFA_CONFIG"
"""The environment variable that names the settings file."""

SERVICE = "IDP_MFA_DEMO_SERVICE_URL"
"""The one that names the demo service's address; empty without a demo service."""


def application() -> SeenFrom:
    """The real application behind the wrapper that lets a newcomer choose a place."""
    settings = load(Path(os.environ[SETTINGS]))
    if isinstance(settings, Problems):
        sys.exit(str(settings))
    house = compose(settings)
    house.look_at_policy()
    application = house.application()
    # gunicorn makes the application before it forks its workers.
    os.register_at_fork(after_in_child=house.start_post)
    return SeenFrom(application, change_at=os.environ.get(SERVICE, "") or None)
