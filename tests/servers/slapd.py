"""Debian's slapd with our schema, as a university would run it: a real LDAP server for tests.

Passwords are hashed as {SSHA}, memberOf and the password policy overlay are on, and the service's
account may read people and write nothing but the attributes of our schema.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ldap3

from idp_mfa.directory.options import LdapOptions
from tests.servers.certificates import authority, issued
from tests.servers.foreground import folder, free_port, listening, running

SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=example,dc=ac,dc=jp"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
ADMIN = f"cn=admin,{BASE}"
SERVICE = f"cn=idp_mfa,ou=services,{BASE}"
DECOY = f"cn=decoy,ou=services,{BASE}"
CANARY = f"cn=canary,ou=services,{BASE}"
SCOPE = "example.ac.jp"
_SCHEMA = Path(__file__).parents[2] / "deploy" / "ldap" / "idp_mfa.ldif"
_EDUPERSON = Path(__file__).with_name("eduperson.ldif")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the directory; the password is ``demo-LOGIN`` unless given."""

    login: str
    name: str
    groups: tuple[str, ...] = ()
    affiliation: str = "student"
    password: bytes = b""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def dn(self) -> str:
        return f"uid={self.login},{PEOPLE}"


CAST = (
    Person("alice", "Alice 有栖", ("students",)),
    Person("bob", "Bob", ("students",)),
    Person("dave", "Dave", ("staff",), "staff"),
    Person("helen", "Helen", ("staff", "help-desk"), "staff"),
    Person("ivan", "Ivan", ("staff", "identity-admins"), "staff"),
    Person("olga", "Olga", ("staff", "service-owners"), "staff"),
)


@dataclass(frozen=True, slots=True)
class Slapd:
    """A running server: what a client, a test and a bench need to know of it."""

    uri: str
    tls_uri: str
    ca_file: Path
    password_file: Path
    admin_password: str
    log: Path
    pid: int
    base_dn: str = BASE
    service_dn: str = SERVICE

    def options(self) -> LdapOptions:
        """How an operator would write this server down."""
        return LdapOptions(
            uris=(self.uri,),
            base_dn=BASE,
            bind_dn=SERVICE,
            bind_password_file=self.password_file,
            attributes=(
                "mail",
                "displayName",
                "eduPersonPrincipalName",
                "eduPersonAffiliation",
                "eduPersonScopedAffiliation",
            ),
            decoy_dn=DECOY,
            canary_dn=CANARY,
        )

    @contextlib.contextmanager
    def as_admin(self, dn: str = ADMIN) -> Iterator[ldap3.Connection]:
        """A connection that may do anything, to arrange what a test is about."""
        server = ldap3.Server(self.uri, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server, dn, self.admin_password, auto_bind=True, check_names=False
        )
        try:
            yield connection
        finally:
            connection.unbind()

    def put(self, dn: str, attribute: str, *values: bytes | str) -> None:
        """Replace all values of an attribute; none removes it."""
        with self.as_admin() as connection:
            assert connection.modify(dn, {attribute: [(ldap3.MODIFY_REPLACE, list(values))]}), (
                connection.result
            )

    def get(self, dn: str, attribute: str) -> tuple[bytes, ...]:
        """All values of an attribute."""
        with self.as_admin() as connection:
            connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=[attribute])
            return tuple(connection.response[0]["raw_attributes"].get(attribute, ()))

    def add(self, people: Sequence[Person]) -> None:
        """People, and the groups that they are in."""
        with self.as_admin() as connection:
            for person in people:
                assert connection.add(person.dn, attributes=_entry(person)), connection.result
                for group in person.groups:
                    _join(connection, group, person.dn)

    def configure(self, dn: str, attribute: str, *values: str) -> None:
        """Replace a setting of the running server; none removes it."""
        with self.as_admin("cn=config") as connection:
            assert connection.modify(dn, {attribute: [(ldap3.MODIFY_REPLACE, list(values))]}), (
                connection.result
            )

    def lines(self, holding: str) -> list[str]:
        """Lines of the log: what was asked of the server."""
        return [
            line for line in self.log.read_text(errors="replace").splitlines() if holding in line
        ]


@contextlib.contextmanager
def slapd(
    people: Sequence[Person] = CAST, *, log_level: str = "stats", referral: str | None = None
) -> Iterator[Slapd]:
    """A server of its own in a folder of its own, with ldap:// and ldaps:// on loopback.

    ``log_level`` "0" is for measuring. ``referral`` makes it a replica that sends writers there.
    """
    with folder("slapd") as place:
        certificates = authority(place)
        host = issued(place, certificates, ("localhost",))
        admin_password = secrets.token_urlsafe(24)
        password_file = place / "service.password"
        password_file.write_text(secrets.token_urlsafe(24) + "\n")
        password_file.chmod(0o600)
        configuration, data = place / "slapd.d", place / "data"
        configuration.mkdir(), data.mkdir()
        text = _configuration(
            data=data,
            ca=certificates.pair.certificate,
            certificate=host.certificate,
            key=host.key,
            admin=_ssha(admin_password.encode()),
        )
        written = place / "config.ldif"
        written.write_text(text)
        subprocess.run(
            ["/usr/sbin/slapadd", "-n", "0", "-F", configuration, "-l", written],
            check=True,
            capture_output=True,
        )
        port, tls_port = free_port(), free_port()
        uri, tls_uri = f"ldap://127.0.0.1:{port}", f"ldaps://localhost:{tls_port}"
        log = place / "slapd.log"
        with running(
            [str(SLAPD), "-d", log_level, "-F", str(configuration), "-h", f"{uri} {tls_uri}"],
            log=log,
            ready=lambda: listening(port) and listening(tls_port),
        ) as pid:
            server = Slapd(
                uri,
                tls_uri,
                certificates.pair.certificate,
                password_file,
                admin_password,
                log,
                pid,
            )
            _fill(server, password_file.read_text().strip().encode())
            server.add(people)
            if referral is not None:
                server.configure("cn=config", "olcReferral", referral)
            yield server


def _fill(server: Slapd, service_password: bytes) -> None:
    unit = {"objectClass": "organizationalUnit"}
    role = {"objectClass": ["organizationalRole", "simpleSecurityObject"]}
    with server.as_admin() as connection:
        entries: list[tuple[str, dict[str, object]]] = [
            (BASE, {"objectClass": ["dcObject", "organization"], "o": "Example University"}),
            (PEOPLE, unit),
            (GROUPS, unit),
            (f"ou=services,{BASE}", unit),
            (f"ou=policies,{BASE}", unit),
            (
                f"cn=default,ou=policies,{BASE}",
                {
                    "objectClass": ["organizationalRole", "pwdPolicy"],
                    "pwdAttribute": "userPassword",
                    "pwdLockout": "TRUE",
                    "pwdMaxFailure": "200",
                    "pwdMaxAge": "315360000",
                },
            ),
            (SERVICE, role | {"userPassword": _ssha(service_password)}),
            (DECOY, role | {"userPassword": _ssha(secrets.token_bytes(24))}),
            (
                CANARY,
                {"objectClass": ["organizationalRole", "mfaUser"], "mfaManifest": "canary"},
            ),
        ]
        for dn, attributes in entries:
            assert connection.add(dn, attributes=attributes), connection.result


def _entry(person: Person) -> dict[str, object]:
    return {
        "objectClass": ["inetOrgPerson", "eduPerson"],
        "uid": person.login,
        "cn": person.name,
        "sn": person.name,
        "displayName": person.name,
        "mail": f"{person.login}@{SCOPE}",
        "eduPersonPrincipalName": f"{person.login}@{SCOPE}",
        "eduPersonAffiliation": ["member", person.affiliation],
        "eduPersonScopedAffiliation": [f"member@{SCOPE}", f"{person.affiliation}@{SCOPE}"],
        "userPassword": _ssha(person.password or f"demo-{person.login}".encode()),
        **person.attributes,
    }


def _join(connection: ldap3.Connection, group: str, member: str) -> None:
    dn = f"cn={group},{GROUPS}"
    if not connection.modify(dn, {"member": [(ldap3.MODIFY_ADD, [member])]}):
        assert connection.add(dn, "groupOfNames", {"member": member}), connection.result


def _ssha(password: bytes) -> str:
    salt = os.urandom(8)
    digest = hashlib.sha1(password + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode("ascii")


def _configuration(*, data: Path, ca: Path, certificate: Path, key: Path, admin: str) -> str:
    return f"""\
dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCACertificateFile: {ca}
olcTLSCertificateFile: {certificate}
olcTLSCertificateKeyFile: {key}

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

include: file:///etc/ldap/schema/cosine.ldif

include: file:///etc/ldap/schema/inetorgperson.ldif

include: file://{_EDUPERSON}

include: file://{_SCHEMA}

dn: olcDatabase=config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: config
olcRootDN: cn=config
olcRootPW: {admin}

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: {BASE}
olcRootDN: {ADMIN}
olcRootPW: {admin}
olcDbDirectory: {data}
olcDbMaxSize: 1073741824
olcDbNoSync: TRUE
olcDbIndex: objectClass eq
olcDbIndex: uid,cn,displayName,mail eq,sub
olcDbIndex: entryUUID,member eq
olcAccess: {{0}}to attrs=mfaCredential,mfaManifest by dn.exact="{SERVICE}" write by * none
olcAccess: {{1}}to attrs=objectClass val=mfaUser by dn.exact="{SERVICE}" write by * break
olcAccess: {{2}}to attrs=userPassword by anonymous auth by * none
olcAccess: {{3}}to * by dn.exact="{SERVICE}" read by self read by * none

dn: olcOverlay=memberof,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOf
olcOverlay: memberof

dn: olcOverlay=ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
olcPPolicyDefault: cn=default,ou=policies,{BASE}
"""
