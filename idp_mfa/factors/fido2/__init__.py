"""Passkeys and security keys (WebAuthn Level 3): what is asked, and what an answer is worth."""

from idp_mfa.factors.fido2.ceremonies import Fido2
from idp_mfa.factors.fido2.verification import LIVES, NAME

__all__ = ["LIVES", "NAME", "Fido2"]
