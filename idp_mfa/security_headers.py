"""The headers that keep a page where it belongs (security.md C1-C3)."""

from __future__ import annotations

ON_EVERY_ANSWER = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), "
        "camera=(), microphone=(), geolocation=()",
    ),
)
STRICT_TRANSPORT_SECURITY = "max-age=63072000; includeSubDomains"


def content_security_policy(nonce: str | None) -> str:
    """The policy of a page; the one that posts to a service has a nonce and no form-action.

    Browsers apply form-action to redirects after the POST too (tried), and a service may redirect
    to another origin.
    """
    always = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    )
    if nonce is None:
        return f"{always}script-src 'self'; form-action 'self'"
    return f"{always}script-src 'nonce-{nonce}'"
