"""What is found of a service, in English words for the console."""

from __future__ import annotations

from idp_mfa.services import Finding, FindingKind, Trait

_WORDS = {
    FindingKind.UNREADABLE: "this is no XML that is read here ({})",
    FindingKind.NOT_METADATA: "this is XML, but no SAML metadata ({})",
    FindingKind.NO_SERVICE_PROVIDER: "it describes no SAML 2.0 service provider",
    FindingKind.NO_ENTITY_ID: "the entityID is missing or too long {}",
    FindingKind.TWICE: "it stands in this document twice",
    FindingKind.EXPIRED: "the metadata ran out on {}; ask for a newer one",
    FindingKind.NO_ENDPOINT: "no AssertionConsumerService takes HTTP-POST",
    FindingKind.ENDPOINT_NOT_HTTPS: "{} is not https",
    FindingKind.ENDPOINT_NOT_A_URL: "{} is no address that an answer could be sent to",
    FindingKind.KEY_UNREADABLE: "a certificate cannot be read ({}...)",
    FindingKind.KEY_TOO_SHORT: "an RSA key is shorter than 2048 bits ({}...)",
    FindingKind.KEY_UNSUPPORTED: "a key is neither RSA nor on a NIST curve ({}...)",
    FindingKind.SIGNS_WITHOUT_KEY: "requests are to be signed, but there is no signing key",
    FindingKind.ENCRYPTS_WITHOUT_KEY: "encryption is set, but there is no key to encrypt to",
    FindingKind.LOOPBACK_HTTP: "{} is plain http; taken because it is on this machine",
    FindingKind.OTHER_BINDING: "an endpoint of another binding is not used ({})",
    FindingKind.REQUESTS_UNSIGNED: "its requests need no signature (no AuthnRequestsSigned)",
    FindingKind.NO_ENCRYPTION_KEY: "no encryption key: assertions go to it signed, not encrypted",
    FindingKind.OLD_ENCRYPTION_ONLY: "it lists CBC ciphers alone; it is sent AES-GCM all the same",
    FindingKind.CERTIFICATE_EXPIRED: "a certificate ran out (its key still counts): {}",
    FindingKind.CERTIFICATE_EXPIRES: "a certificate runs out soon: {}",
    FindingKind.METADATA_EXPIRES: "the metadata runs out soon, on {}; then it is not answered",
    FindingKind.NO_NAME: "it has no mdui:DisplayName; people will see its host name",
    FindingKind.NO_LOGOUT: "it has no SingleLogoutService that we can answer",
}

_TRAITS = {
    Trait.NAMES: "name",
    Trait.ANSWER_ADDRESSES: "answers go to",
    Trait.LOGOUT_ADDRESSES: "log-out goes to",
    Trait.SIGNING_KEYS: "signing key",
    Trait.ENCRYPTION_KEYS: "encryption key",
    Trait.SIGNS_REQUESTS: "says its requests are signed",
    Trait.NAME_ID_FORMATS: "NameID format",
    Trait.VALID_UNTIL: "valid until",
    Trait.OPTIONS: "set here",
}


def words(finding: Finding) -> str:
    """One finding as a sentence's worth of words."""
    return _WORDS[finding.kind].format(finding.about).strip()


def trait_words(trait: Trait) -> str:
    """A trait as the beginning of a line."""
    return _TRAITS[trait]
