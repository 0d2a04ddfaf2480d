"""A mail as octets of RFC 5322."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from idp_mfa.letters import Mail
from idp_mfa.model import Randomness

_ID_BYTES = 16


def message(
    mail: Mail, sender: str, names: Mapping[str, str], at: datetime, randomness: Randomness
) -> EmailMessage:
    """Text first, HTML as the alternative; ValueError if an address holds what no header may."""
    name = names.get(mail.language) or next(iter(names.values()), "")
    local, _, domain = sender.partition("@")
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(name, local, domain)
    made["To"] = _address(mail.to)
    made["Subject"] = mail.subject
    made["Date"] = at
    made["Message-ID"] = f"<{randomness(_ID_BYTES).hex()}@{domain}>"
    made["Content-Language"] = mail.language
    for header, value in mail.headers.items():
        made[header] = value
    made.set_content(mail.text)
    made.add_alternative(mail.html, subtype="html")
    return made


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text)
    # The library's parser falls over some texts that are no address.
    except (IndexError, MessageError) as error:
        raise ValueError("no address") from error
