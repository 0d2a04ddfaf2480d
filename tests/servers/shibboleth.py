"""Debian's Shibboleth SP 3: shibd and mod_shib in an Apache of their own."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.servers.apache import Site, apache
from tests.servers.certificates import KeyPair, self_signed
from tests.servers.foreground import START_SECONDS, DidNotStart, folder, running

STARTS = 3
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REFEDS_MFA = "https://refeds.org/profile/mfa"
_DEBIAN = Path("/etc/shibboleth")
_ATTRIBUTES = {
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.6": ("eppn", "ScopedAttributeDecoder"),
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.9": ("affiliation", "ScopedAttributeDecoder"),
    "urn:oasis:names:tc:SAML:attribute:subject-id": ("subject-id", "ScopedAttributeDecoder"),
    "urn:oasis:names:tc:SAML:attribute:pairwise-id": ("pairwise-id", "ScopedAttributeDecoder"),
    "urn:oid:0.9.2342.19200300.100.1.3": ("mail", "StringAttributeDecoder"),
    "urn:oid:2.16.840.1.113730.3.1.241": ("displayName", "StringAttributeDecoder"),
    "urn:oid:2.5.4.4": ("sn", "StringAttributeDecoder"),
    "urn:oid:0.9.2342.19200300.100.1.1": ("uid", "StringAttributeDecoder"),
}
_PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"


@dataclass(frozen=True, slots=True)
class ShibbolethOptions:
    """What differs between one service provider and another.

    ``logout`` "asynchronous" waits for no answer to a logout request; "synchronous" does.
    """

    name: str = "shibboleth"
    signs: bool = True
    decrypts: bool = True
    logout: str = "asynchronous"


@dataclass(frozen=True, slots=True)
class Shibboleth:
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
    def multi_factor(self) -> str:
        """A page for which ``ShibRequestSetting`` asks REFEDS MFA, and which insists on it."""
        return f"{self.site.origin}/secure/mfa/"

    @property
    def open(self) -> str:
        """A page that shows a session if there is one."""
        return f"{self.site.origin}/open/"

    def login(self, binding: str, **settings: str) -> str:
        """The address that starts a sign-in: ``forceAuthn``, ``isPassive``, ``target``, ..."""
        handler = "Login" if binding == REDIRECT else "LoginByPost"
        query = urlencode({"target": self.open, **settings})
        return f"{self.site.origin}/Shibboleth.sso/{handler}?{query}"

    @property
    def logout(self) -> str:
        """The address that starts single logout."""
        return f"{self.site.origin}/Shibboleth.sso/Logout"

    def log(self) -> str:
        """What shibd wrote, for the text of a failed assertion."""
        return (self.folder / "shibd.log").read_text(errors="replace")


@contextlib.contextmanager
def shibboleth(
    site: Site, *, idp_entity_id: str, idp_metadata: bytes, options: ShibbolethOptions
) -> Iterator[Shibboleth]:
    """A service provider that knows one identity provider, from a file."""
    with folder("shibboleth") as place:
        entity_id = f"{site.origin}/{options.name}"
        (place / "idp.xml").write_bytes(idp_metadata)
        (place / "attribute-map.xml").write_text(_attribute_map())
        _logger(place, "shibd")
        _logger(place, "native")
        (place / "shibboleth2.xml").write_text(
            _configuration(
                place,
                site,
                entity_id,
                idp_entity_id,
                options,
                self_signed(place, "signing"),
                self_signed(place, "encryption"),
            )
        )
        with contextlib.ExitStack() as stack:
            yield Shibboleth(entity_id, site, _started(stack, site, place), place)


def _started(stack: contextlib.ExitStack, site: Site, place: Path) -> bytes:
    """What it says of itself, once it does.

    Of hundreds of starts on a busy machine one Apache answers 500 for good: both begin anew.
    """
    shibd = ("/usr/sbin/shibd", "-F", "-f", "-c", str(place / "shibboleth2.xml"))
    told = ""
    for _ in range(STARTS):
        stack.enter_context(
            running(
                (*shibd, "-p", str(place / "shibd.pid")),
                log=place / "shibd.out",
                ready=lambda: _answers(place / "shibd.sock"),
                environment={"SHIBSP_RUNDIR": str(place), "SHIBSP_LOGDIR": str(place)},
            )
        )
        stack.enter_context(apache(place, site, modules=("shib",), configuration=_apache(place)))
        metadata = _metadata(site)
        if isinstance(metadata, bytes):
            return metadata
        stack.close()
        logs = (place / name for name in ("native.log", "shibd.log"))
        written = "".join(log.read_text(errors="replace")[-3000:] for log in logs)
        told += f"{metadata}\n{written}"
    raise DidNotStart(told)


def _metadata(site: Site) -> bytes | OSError:
    """A busy machine's Apache drops, fails or forgets its first calls."""
    until = time.monotonic() + START_SECONDS / STARTS
    while True:
        try:
            with urlopen(f"{site.listen_url}/Shibboleth.sso/Metadata", timeout=10) as answer:
                return bytes(answer.read())
        except OSError as error:
            if time.monotonic() > until:
                return error
            time.sleep(0.1)


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        return True
    return False


def _apache(place: Path) -> str:
    return f"""
ShibConfig {place}/shibboleth2.xml
ShibCompatValidUser Off
<Location /open>
    AuthType shibboleth
    ShibRequestSetting requireSession false
    Require shibboleth
</Location>
<Location /secure>
    AuthType shibboleth
    ShibRequestSetting requireSession true
    Require shib-session
</Location>
<Location /secure/mfa>
    ShibRequestSetting authnContextClassRef {REFEDS_MFA}
    Require authnContextClassRef {REFEDS_MFA}
</Location>
"""


def _attribute_map() -> str:
    rows = "\n".join(
        f'<Attribute name="{name}" id="{id_}"><AttributeDecoder xsi:type="{decoder}"/></Attribute>'
        for name, (id_, decoder) in _ATTRIBUTES.items()
    )
    return f"""<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{rows}
<Attribute name="{_PERSISTENT}" id="persistent-id"><AttributeDecoder
    xsi:type="NameIDAttributeDecoder" formatter="$Name" defaultQualifiers="true"/></Attribute>
</Attributes>
"""


def _logger(place: Path, name: str) -> None:
    (place / f"{name}.logger").write_text(
        f"""log4j.rootCategory=INFO, file
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.fileName={place}/{name}.log
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%d{{%H:%M:%S}} %p %c: %m%n
"""
    )


def _configuration(
    place: Path,
    site: Site,
    entity_id: str,
    idp: str,
    options: ShibbolethOptions,
    signing: KeyPair,
    encryption: KeyPair,
) -> str:
    https, cookies = ("true", "https") if site.origin.startswith("https:") else ("false", "http")
    signs = "true" if options.signs else "false"
    asynchronous = "true" if options.logout == "asynchronous" else "false"
    held = {"signing": signing} if options.signs else {}
    held |= {"encryption": encryption} if options.decrypts else {}
    keys = "\n    ".join(
        f'<CredentialResolver type="File" use="{use}" key="{pair.key}"'
        f' certificate="{pair.certificate}"/>'
        for use, pair in held.items()
    )
    return f"""<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config"
    xmlns:conf="urn:mace:shibboleth:3.0:native:sp:config" clockSkew="180">
  <OutOfProcess logger="{place}/shibd.logger"/>
  <InProcess logger="{place}/native.logger"/>
  <UnixListener address="{place}/shibd.sock"/>
  <ApplicationDefaults entityID="{entity_id}" REMOTE_USER="eppn persistent-id"
      signing="{signs}" encryption="false">
    <Sessions lifetime="28800" timeout="3600" relayState="ss:mem" checkAddress="false"
        handlerSSL="{https}" cookieProps="{cookies}" redirectLimit="exact"
        handlerURL="/Shibboleth.sso">
      <SSO entityID="{idp}" outgoingBindings="{REDIRECT}" ignoreNoPassive="true">SAML2</SSO>
      <Logout asynchronous="{asynchronous}">SAML2 Local</Logout>
      <SessionInitiator type="SAML2" Location="/LoginByPost" id="LoginByPost" entityID="{idp}"
          outgoingBindings="{POST}" template="{_DEBIAN}/bindingTemplate.html"/>
      <Handler type="MetadataGenerator" Location="/Metadata" signing="false"/>
    </Sessions>
    <Errors supportContact="root@localhost"/>
    <MetadataProvider type="XML" validate="true" path="{place}/idp.xml"/>
    <AttributeExtractor type="XML" validate="true" reloadChanges="false"
        path="{place}/attribute-map.xml"/>
    <AttributeFilter type="XML" validate="true" path="{_DEBIAN}/attribute-policy.xml"/>
    {keys}
  </ApplicationDefaults>
  <SecurityPolicyProvider type="XML" validate="true" path="{_DEBIAN}/security-policy.xml"/>
  <ProtocolProvider type="XML" validate="true" reloadChanges="false"
      path="{_DEBIAN}/protocols.xml"/>
</SPConfig>
"""
