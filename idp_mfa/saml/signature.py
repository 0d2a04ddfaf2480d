"""XML signatures: made over canonical text, verified by python-xmlsec under strict conditions.

An enveloped signature counts only in the one shape that SAML core 5.4 describes: the signature is
a child of the root, it has one reference, the reference is to the root's ID and nothing else has
that ID, and the transforms can take away nothing but the signature itself. Keys come from the
service's metadata alone; what a message says of keys is not looked at (advisory 35).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from copy import deepcopy
from enum import Enum
from functools import lru_cache

import xmlsec
from lxml import etree

from idp_mfa.keys import PublicKey, SignatureAlgorithm, SigningKey
from idp_mfa.saml.names import ENVELOPED, EXCLUSIVE_C14N, SHA256, XMLDSIG, XMLENC
from idp_mfa.saml.reading import canonical
from idp_mfa.saml.writing import Canonical, Element, parts, written

_DIGESTS = frozenset({SHA256, f"{XMLENC}sha512", "http://www.w3.org/2001/04/xmldsig-more#sha384"})
_ALGORITHMS = frozenset(algorithm.value for algorithm in SignatureAlgorithm)
_TRANSFORMS = [ENVELOPED, EXCLUSIVE_C14N]


class SignatureProblem(Enum):
    """Why a signature does not count."""

    SHAPE = "shape"
    ALGORITHM = "algorithm"
    NO_KEY = "no-key"
    WRONG = "wrong"


def enveloped(element: Element, key: SigningKey) -> Canonical:
    """The element with its signature after its first child, which SAML makes the Issuer.

    The element must stand alone: what it is put into later may not declare its prefixes.
    """
    start, children, end = parts(element)
    digest = hashlib.sha256("".join((start, *children, end)).encode()).digest()
    transforms = tuple(Element("ds:Transform", {"Algorithm": name}) for name in _TRANSFORMS)
    signed_info = Element(
        "ds:SignedInfo",
        children=(
            Element("ds:CanonicalizationMethod", {"Algorithm": EXCLUSIVE_C14N}),
            Element("ds:SignatureMethod", {"Algorithm": key.algorithm.value}),
            Element(
                "ds:Reference",
                {"URI": f"#{element.attributes['ID']}"},
                (
                    Element("ds:Transforms", children=transforms),
                    Element("ds:DigestMethod", {"Algorithm": SHA256}),
                    Element("ds:DigestValue", children=(_base64(digest),)),
                ),
            ),
        ),
    )
    signature = Element(
        "ds:Signature",
        children=(
            signed_info,
            Element(
                "ds:SignatureValue", children=(_base64(key.sign(written(signed_info).encode())),)
            ),
            key_info(key.public),
        ),
    )
    issuer, *rest = children
    return Canonical("".join((start, issuer, written(signature), *rest, end)))


def key_info(public: PublicKey) -> Element:
    """The certificate, as signatures and metadata carry it."""
    certificate = Element("ds:X509Certificate", children=(_base64(public.certificate),))
    return Element("ds:KeyInfo", children=(Element("ds:X509Data", children=(certificate,)),))


def is_signed(root: etree._Element) -> bool:
    """Whether a signature stands anywhere in it: if one does, it must verify."""
    return next(root.iter(f"{{{XMLDSIG}}}Signature"), None) is not None


def verified(root: etree._Element, keys: Sequence[PublicKey]) -> bytes | SignatureProblem:
    """The octets that were signed, without the signature, in canonical form: read these alone."""
    signatures = list(root.iter(f"{{{XMLDSIG}}}Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        return SignatureProblem.SHAPE
    problem = _misshapen(root, signatures[0])
    if problem is not None:
        return problem
    if not keys:
        return SignatureProblem.NO_KEY
    if not any(_made_by(root, signatures[0], key) for key in keys):
        return SignatureProblem.WRONG
    return _without_signature(root)


def _misshapen(root: etree._Element, signature: etree._Element) -> SignatureProblem | None:
    id = root.get("ID")
    if not id or [each for each in root.iter() if id in each.attrib.values()] != [root]:
        return SignatureProblem.SHAPE
    tags = [child.tag for child in signature]
    if tags not in (_tags("SignedInfo", "SignatureValue"), _tags(*_WITH_KEY_INFO)):
        return SignatureProblem.SHAPE
    info = signature[0]
    if [child.tag for child in info] != _tags(
        "CanonicalizationMethod", "SignatureMethod", "Reference"
    ):
        return SignatureProblem.SHAPE
    method, reference = info[1], info[2]
    if [child.tag for child in reference] != _tags("Transforms", "DigestMethod", "DigestValue"):
        return SignatureProblem.SHAPE
    if reference.get("URI") != f"#{id}" or reference.get("Type") is not None:
        return SignatureProblem.SHAPE
    transforms = [child.get("Algorithm") for child in reference[0]]
    if (
        transforms != _TRANSFORMS
        or info[0].get("Algorithm") != EXCLUSIVE_C14N
        or reference[1].get("Algorithm") not in _DIGESTS
        or method.get("Algorithm") not in _ALGORITHMS
        or len(method)
    ):
        return SignatureProblem.ALGORITHM
    return None


_WITH_KEY_INFO = ("SignedInfo", "SignatureValue", "KeyInfo")


def _tags(*names: str) -> list[str]:
    return [f"{{{XMLDSIG}}}{name}" for name in names]


def _made_by(root: etree._Element, signature: etree._Element, key: PublicKey) -> bool:
    context = xmlsec.SignatureContext()
    context.key = _xmlsec_key(key.certificate)
    context.register_id(root, "ID")
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


@lru_cache(maxsize=1024)
def _xmlsec_key(certificate: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_memory(certificate, xmlsec.constants.KeyDataFormatCertDer)


def _without_signature(root: etree._Element) -> bytes:
    copy = deepcopy(root)
    signature = copy.find(f"{{{XMLDSIG}}}Signature")
    if signature is None:  # pragma: no cover - its caller has just found it
        raise AssertionError("a signature was there")
    tail, before = signature.tail or "", signature.getprevious()
    copy.remove(signature)
    if before is None:
        copy.text = (copy.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    return canonical(copy)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
