"""What a browser says that it runs on; advice alone, because anybody can say anything."""

from __future__ import annotations

from idp_mfa.model import Device

MAX_CHARACTERS = 1024
_SYSTEMS_OF_COMPUTERS = ("Windows NT", "Macintosh", "X11; ", "CrOS ")


def device_of(user_agent: str, mobile_hint: str = "") -> Device:
    """The device of a User-Agent, and of Sec-CH-UA-Mobile (``?1`` or ``?0``) where it came.

    An iPad calls itself a Macintosh: it is taken for a computer.
    """
    said = user_agent[:MAX_CHARACTERS]
    if "iPad" in said:
        return Device.TABLET
    if "iPhone" in said or "iPod" in said:
        return Device.PHONE
    if "Android" in said:
        phone = mobile_hint == "?1" or (mobile_hint != "?0" and "Mobile" in said)
        return Device.PHONE if phone else Device.TABLET
    if any(system in said for system in _SYSTEMS_OF_COMPUTERS):
        return Device.COMPUTER
    return Device.PHONE if mobile_hint == "?1" else Device.UNKNOWN
