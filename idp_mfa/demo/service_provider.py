"""A small service that signs people in by SAML, to try the product with.

It stands for a service of the university and knows nothing of the product but its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lxml.etree
import xmlsec
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.ident import code, decode
from saml2.metadata import entity_descriptor
from saml2.response import StatusError
from saml2.saml import NAMEID_FORMAT_TRANSIENT
from saml2.sigver import CryptoBackend, RSACrypto, import_rsa_key_from_file
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

REFEDS_MFA = "https://refeds.org/profile/mfa"


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Where the service lives, and the files that it reads at start.

    ``key_and_certificate`` is one PEM file with both; ``people`` are the logins that the page
    suggests.
    """

    base: str
    entity_id: str
    identity_provider_metadata: str
    key_and_certificate: str
    people: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Leave them for the service's own process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> ServiceOptions:
        """What ``write`` left."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        return cls(**kept | {"people": tuple(kept["people"])})


class _Signatures(CryptoBackend):  # type: ignore[misc]
    """Checks signatures in this process, so that no xmlsec1 program is needed.

    pysaml2 has looked at the reference, the transforms and the algorithms before it asks.
    """

    @property
    def version(self) -> str:
        return "1.3.0"

    def validate_signature(
        self, signedtext: str | bytes, cert_file: str, cert_type: str, node_name: str, node_id: str
    ) -> bool:
        """Whether the one element of that id is of that name and carries a right signature."""
        text = signedtext.encode() if isinstance(signedtext, str) else signedtext
        parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True)
        document = lxml.etree.fromstring(text, parser)
        namespace, _, local = node_name.rpartition(":")
        carriers = [one for one in document.iter("{*}*") if one.get("ID") == node_id]
        if len(carriers) != 1 or carriers[0].tag != f"{{{namespace}}}{local}":
            return False
        signature = carriers[0].find(f"{{{xmlsec.constants.DSigNs}}}Signature")
        if signature is None or cert_type != "pem":
            return False
        context = xmlsec.SignatureContext()
        context.register_id(carriers[0], "ID", None)
        context.key = xmlsec.Key.from_file(cert_file, xmlsec.constants.KeyDataFormatCertPem)
        try:
            context.verify(signature)
        except xmlsec.Error:
            return False
        return True


def _configuration(options: ServiceOptions) -> SPConfig:
    configuration = SPConfig()
    configuration.load(
        {
            "entityid": options.entity_id,
            "name": "idp_mfa demo service",
            "crypto_backend": "XMLSecurity",
            "key_file": options.key_and_certificate,
            "cert_file": options.key_and_certificate,
            "metadata": {"local": [options.identity_provider_metadata]},
            "accepted_time_diff": 60,
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(f"{options.base}/acs", BINDING_HTTP_POST)],
                        "single_logout_service": [(f"{options.base}/slo", BINDING_HTTP_REDIRECT)],
                    },
                    "authn_requests_signed": True,
                    "logout_requests_signed": True,
                    "want_response_signed": True,
                    "want_assertions_signed": True,
                    "allow_unsolicited": False,
                    "name_id_policy_format": NAMEID_FORMAT_TRANSIENT,
                    "signing_algorithm": SIG_RSA_SHA256,
                    "digest_algorithm": DIGEST_SHA256,
                    "ui_info": {
                        "display_name": [
                            {"lang": "ja", "text": "デモサービス"},
                            {"lang": "en", "text": "Demo service"},
                        ],
                    },
                }
            },
        }
    )
    return configuration


def metadata(options: ServiceOptions) -> bytes:
    """The service's metadata, as its owner would hand it in."""
    return str(entity_descriptor(_configuration(options))).encode()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the identity provider said of a person; ``name_id`` is pysaml2's text of a NameID."""

    attributes: dict[str, list[str]]
    name_id: str
    authn_class: str
    instant: str
    session_index: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The identity provider answered that it will not; ``status`` is SAML's word for it."""

    status: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """What came is no valid answer to a question of ours."""

    why: str


class Peer:
    """The SAML side: what goes to the identity provider and what comes back."""

    def __init__(self, options: ServiceOptions) -> None:
        self._client = Saml2Client(_configuration(options))
        self._client.sec.crypto = _Signatures()
        self._client.sec.sec_backend = RSACrypto(
            import_rsa_key_from_file(options.key_and_certificate)
        )
        (self._idp,) = self._client.metadata.with_descriptor("idpsso")

    def ask(self, wish: str) -> tuple[str, str]:
        """The id of a new request and where the browser takes it.

        ``wish`` is "mfa" for REFEDS MFA, "again" for ForceAuthn, anything else for neither.
        """
        extra: dict[str, Any] = {}
        if wish == "mfa":
            extra["requested_authn_context"] = {
                "authn_context_class_ref": [REFEDS_MFA],
                "comparison": "exact",
            }
        elif wish == "again":
            extra["force_authn"] = "true"
        request_id, sent = self._client.prepare_for_authenticate(
            entityid=self._idp, relay_state="/", sign=True, sigalg=SIG_RSA_SHA256, **extra
        )
        return str(request_id), _location(sent)

    def read(self, response: str, asked: Sequence[str]) -> SignedIn | Declined | NoAnswer:
        """Who signed in and how, if this answers one of the requests in ``asked``."""
        try:
            answer = self._client.parse_authn_request_response(
                response, BINDING_HTTP_POST, dict.fromkeys(asked, "/")
            )
        except StatusError as status:
            return Declined(type(status).__name__.removeprefix("Status"))
        except Exception as why:  # pysaml2 lets errors of every kind out
            return NoAnswer(type(why).__name__)
        if answer is None:
            return NoAnswer("unreadable")
        told = answer.session_info()
        authn_class, _, instant = told["authn_info"][0]
        return SignedIn(
            {name: [str(value) for value in values] for name, values in told["ava"].items()},
            code(told["name_id"]),
            authn_class,
            instant,
            told["session_index"],
        )

    def say_goodbye(self, person: SignedIn) -> str:
        """Where the browser takes the signed request to end the session over there."""
        slo = self._client.metadata.single_logout_service(
            self._idp, binding=BINDING_HTTP_REDIRECT, typ="idpsso"
        )[0]["location"]
        _, message = self._client.create_logout_request(
            slo,
            self._idp,
            name_id=decode(person.name_id),
            session_indexes=[person.session_index],
            sign=False,
        )
        sent = self._client.apply_binding(
            BINDING_HTTP_REDIRECT, str(message), slo, sign=True, sigalg=SIG_RSA_SHA256
        )
        return _location(sent)

    def is_gone(self, response: str) -> bool:
        """Whether the other side says that its session is over."""
        try:
            answer = self._client.parse_logout_request_response(response, BINDING_HTTP_REDIRECT)
        except Exception:  # as above
            return False
        return answer is not None


def _location(sent: dict[str, Any]) -> str:
    return str(dict(sent["headers"])["Location"])
