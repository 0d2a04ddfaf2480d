"""What the identity provider really sent, read from the browser's own requests."""

from __future__ import annotations

import base64

from lxml import etree

from tests.simulators.user_agent import UserAgent

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
XENC = "http://www.w3.org/2001/04/xmlenc#"
DS = "http://www.w3.org/2000/09/xmldsig#"
NAMES = {"saml": SAML, "samlp": SAMLP, "xenc": XENC, "ds": DS}
PASSWORD_PROTECTED_TRANSPORT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
REFEDS_MFA = "https://refeds.org/profile/mfa"


def response(agent: UserAgent) -> etree._Element:
    """The last response that the agent carried to a service by POST."""
    carried = agent.carried("SAMLResponse").parameter("SAMLResponse")
    assert carried is not None
    return etree.fromstring(base64.b64decode(carried))


def statuses(message: etree._Element) -> list[str]:
    """The status codes, outermost first, without their common beginning."""
    codes = message.iterfind(".//samlp:StatusCode", NAMES)
    return [code.get("Value", "").rpartition(":")[2] for code in codes]
