"""Debian's mod_auth_mellon (Lasso) in an Apache of its own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from lxml import etree

from tests.servers.apache import Site, apache
from tests.servers.certificates import KeyPair, self_signed
from tests.servers.foreground import folder
from tests.servers.shibboleth import REDIRECT

_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"


@dataclass(frozen=True, slots=True)
class MellonOptions:
    """What differs between one service provider and another.

    Lasso takes the first binding that the identity provider's metadata has; ``binding`` POST
    hands it metadata without the other one. ``authn_context`` is asked, and insisted on.
    """

    name: str = "mellon"
    binding: str = REDIRECT
    signs: bool = True
    decrypts: bool = True
    authn_context: str | None = None


@dataclass(frozen=True, slots=True)
class Mellon:
    """A running service provider; ``metadata`` is its own description of itself."""

    entity_id: str
    site: Site
    metadata: bytes
    folder: Path

    @property
    def secure(self) -> str:
        """A page that redirects to the identity provider when there is no session."""
        return f"{self.site.origin}/secure/"

    @property
    def open(self) -> str:
        """A page that shows a session if there is one."""
        return f"{self.site.origin}/open/"

    def login(self, **settings: str) -> str:
        """The address that starts a sign-in; ``IsPassive`` is the only setting Mellon takes."""
        query = urlencode({"ReturnTo": self.open, **settings})
        return f"{self.site.origin}/mellon/login?{query}"

    @property
    def logout(self) -> str:
        """The address that starts single logout and comes back to the open page."""
        return f"{self.site.origin}/mellon/logout?{urlencode({'ReturnTo': self.open})}"

    def log(self) -> str:
        """What Apache wrote, for the text of a failed assertion."""
        return (self.folder / "apache.log").read_text(errors="replace")


@contextlib.contextmanager
def mellon(site: Site, *, idp_metadata: bytes, options: MellonOptions) -> Iterator[Mellon]:
    """A service provider that knows one identity provider, from a file."""
    with folder("mellon") as place:
        entity_id = f"{site.origin}/{options.name}"
        (place / "idp.xml").write_bytes(_offering(idp_metadata, options.binding))
        keys = self_signed(place, "mellon")
        (place / "sp.xml").write_text(_own_metadata(site, entity_id, keys, options))
        configuration = _apache(place, site, keys, options)
        with (
            apache(place, site, modules=("auth_mellon",), configuration=configuration),
            urlopen(f"{site.listen_url}/mellon/metadata") as metadata,
        ):
            yield Mellon(entity_id, site, metadata.read(), place)


def _offering(idp_metadata: bytes, binding: str) -> bytes:
    """The identity provider's metadata with one binding for sign-in."""
    tree = etree.fromstring(idp_metadata)
    for service in tree.iter(f"{_METADATA}SingleSignOnService"):
        parent = service.getparent()
        if service.get("Binding") != binding and parent is not None:
            parent.remove(service)
    return etree.tostring(tree)


def _own_metadata(site: Site, entity_id: str, keys: KeyPair, options: MellonOptions) -> str:
    certificate = re.sub(r"-----[^-]+-----|\s", "", keys.certificate.read_text())
    uses = ("signing", "encryption") if options.decrypts else ("signing",)
    descriptors = "".join(
        f'<KeyDescriptor use="{use}"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
        f"<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>"
        "</ds:KeyInfo></KeyDescriptor>"
        for use in uses
    )
    signs = "true" if options.signs else "false"
    return f"""<?xml version="1.0"?>
<EntityDescriptor entityID="{entity_id}" xmlns="urn:oasis:names:tc:SAML:2.0:metadata">
  <SPSSODescriptor AuthnRequestsSigned="{signs}" WantAssertionsSigned="true"
      protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    {descriptors}
    <SingleLogoutService Binding="{REDIRECT}" Location="{site.origin}/mellon/logout"/>
    <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</NameIDFormat>
    <AssertionConsumerService index="0" isDefault="true"
        Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
        Location="{site.origin}/mellon/postResponse"/>
  </SPSSODescriptor>
</EntityDescriptor>
"""


def _apache(place: Path, site: Site, keys: KeyPair, options: MellonOptions) -> str:
    https = site.origin.startswith("https:")
    cookies = "MellonSecureCookie On\nMellonCookieSameSite None" if https else ""
    asked = f"MellonAuthnContextClassRef {options.authn_context}" if options.authn_context else ""
    return f"""
MellonLockFile {place}/mellon.lock
<Location />
    MellonEnable info
    MellonEndpointPath /mellon
    MellonSPMetadataFile {place}/sp.xml
    MellonSPPrivateKeyFile {keys.key}
    MellonSPCertFile {keys.certificate}
    MellonIdPMetadataFile {place}/idp.xml
    MellonSetEnvNoPrefix eppn urn:oid:1.3.6.1.4.1.5923.1.1.1.6
    MellonSetEnvNoPrefix mail urn:oid:0.9.2342.19200300.100.1.3
    MellonSetEnvNoPrefix displayName urn:oid:2.16.840.1.113730.3.1.241
    MellonSetEnvNoPrefix affiliation urn:oid:1.3.6.1.4.1.5923.1.1.1.9
    MellonSessionDump On
    {cookies}
    {asked}
</Location>
<Location /secure>
    AuthType Mellon
    MellonEnable auth
    Require valid-user
</Location>
"""
