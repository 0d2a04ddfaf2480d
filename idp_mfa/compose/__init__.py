"""Settings to adapters to use cases to faces: nothing else wires."""

from idp_mfa.compose.house import House, compose, now
from idp_mfa.compose.reading import NotComposed

__all__ = ["House", "NotComposed", "compose", "now"]
