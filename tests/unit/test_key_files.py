"""Files with keys of others: what is read, and what is refused with its place and reason."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from pskc import PSKC

from idp_mfa.factor import HashAlgorithm, SharedKey
from idp_mfa.importing import FoundKey, NotRead
from idp_mfa.key_files import Found, NotThisFormat, oath_ldap, shibboleth, token_csv
from idp_mfa.key_files.pskc import Passphrase, PreSharedKey, login_of, read

KEY = bytes(range(20))
KEY_32 = bytes(range(32))
BASE32 = base64.b32encode(KEY).decode()
TOTP = "urn:ietf:params:xml:ns:keyprov:pskc:totp"


def whys(found: list[Found] | tuple[Found, ...]) -> list[str]:
    return [one.why if isinstance(one, NotRead) else "" for one in found]


# -- tables --------------------------------------------------------------------------------------


def test_a_table_of_tokens() -> None:
    text = (
        "serial,login,base32,hex,algorithm,digits,period,drift\r\n"
        f"T1,alice,{BASE32.lower()},,,,,\r\n"
        f"T2,,,{KEY_32.hex()},hmac-sha256,8,60,-3\r\n"
    )
    assert token_csv.read(text.encode("utf-8-sig"), {"T2": "bob"}) == [
        FoundKey("line 2", "alice", SharedKey(KEY, serial="T1")),
        FoundKey("line 3", "bob", SharedKey(KEY_32, HashAlgorithm.SHA256, 8, 60, "T2", -3)),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (f"alice,{BASE32},,SHA1,7,30", "7 digits"),
        (f"alice,{BASE32},,SHA1,6,45", "45 seconds"),
        (f"alice,{BASE32},,MD5,6,30", "MD5"),
        (f"alice,{BASE32},,SHA1,six,30", "digits is no number"),
        (f"alice,{BASE32},{KEY.hex()},SHA1,6,30", "or two"),
        ("alice,,,SHA1,6,30", "no key"),
        ("alice,1089,,SHA1,6,30", "base32"),
        ("alice,,zz,SHA1,6,30", "hexadecimal"),
        ("alice,GEZDGNBV,,SHA1,6,30", "bits"),
        (f"alice,{BASE32},,SHA1,6,30,extra", "more values"),
    ],
)
def test_a_row_that_is_not_taken_is_told_and_the_next_one_is_read(row: str, why: str) -> None:
    text = f"login,base32,hex,algorithm,digits,period\n{row}\nbob,{BASE32},,,,\n"
    refused, taken = token_csv.read(text.encode(), {})
    assert isinstance(refused, NotRead)
    assert (refused.place, why in refused.why) == ("line 2", True)
    assert BASE32 not in refused.why
    assert taken == FoundKey("line 3", "bob", SharedKey(KEY))


def test_a_row_that_names_nobody_is_a_token_for_the_stock() -> None:
    text = f"login,serial,base32\n,T1,{BASE32}\n ,T2,{BASE32}\n"
    found = token_csv.read(text.encode(), {"T2": "bob"})
    assert found == [
        FoundKey("line 2", "", SharedKey(KEY, serial="T1")),
        FoundKey("line 3", "bob", SharedKey(KEY, serial="T2")),
    ]


@pytest.mark.parametrize(
    "text", [b"", b"login,seed\n", b"login,serial\n", b"\xff\xfe\x00", b"<xml/>"]
)
def test_what_is_no_such_table_is_refused_as_a_whole(text: bytes) -> None:
    with pytest.raises(NotThisFormat):
        token_csv.read(text, {})


def test_owners_by_serial_number() -> None:
    assert token_csv.read_owners(b"serial,login\nT1, alice\n") == {"T1": "alice"}
    for text in (b"serial\nT1\n", b"serial,login\nT1,a\nT1,b\n", b"serial,login\nT1\n"):
        with pytest.raises(NotThisFormat):
            token_csv.read_owners(text)


# -- directories ---------------------------------------------------------------------------------

SHIBBOLETH = f"""version: 1

# an export
dn: uid=alice,ou=people,dc=example,dc=org
uid: alice
tokenSeeds: {BASE32[:10]}
 {BASE32[10:]}

dn: uid=bob,ou=people,dc=example,dc=org
UID: bob
tokenseeds:: {base64.b64encode(BASE32.encode()).decode()}
tokenSeeds: not base32!

dn: uid=carol,ou=people,dc=example,dc=org
uid: carol
"""


def test_an_export_of_the_shibboleth_plugin() -> None:
    found = shibboleth.read(SHIBBOLETH.replace("\n", "\r\n").encode(), "uid")
    assert found[:2] == [
        FoundKey("uid=alice,ou=people,dc=example,dc=org", "alice", SharedKey(KEY)),
        FoundKey("uid=bob,ou=people,dc=example,dc=org", "bob", SharedKey(KEY)),
    ]
    assert ["base32" in why for why in whys(found[2:])] == [True]


def oath(**changes: str) -> bytes:
    said = {
        "secret": f"oathSecret:: {base64.b64encode(KEY_32).decode()}",
        "class": "objectClass: oathTOTPToken",
        "algorithm": "oathHMACAlgorithm: 1.2.840.113549.2.9",
        "length": "oathOTPLength: 8",
        "period": "oathTOTPTimeStepPeriod: 60",
        "params": "oathTOTPParams: CN=Params, ou=tokens,dc=example,dc=org",
        "owner": "oathTOTPToken: CN=T1,OU=tokens,dc=example,dc=org",
        **changes,
    }
    return f"""dn: uid=alice,ou=people,dc=example,dc=org
uid: alice
{said["owner"]}

dn: cn=T1,ou=tokens,dc=example,dc=org
{said["class"]}
oathTokenSerialNumber: T1
oathTOTPTimeStepDrift: 2
{said["secret"]}
{said["params"]}

dn: cn=params,ou=tokens,dc=example,dc=org
{said["length"]}
{said["period"]}
{said["algorithm"]}
""".encode()


def test_a_key_may_begin_with_any_octet() -> None:
    for first in range(256):
        secret = base64.b64encode(bytes([first, 0x7B]) + KEY).decode()
        (found,) = oath_ldap.read(oath(secret=f"oathSecret:: {secret}"), "uid")
        assert isinstance(found, FoundKey), first


def test_an_export_of_oath_ldap() -> None:
    assert oath_ldap.read(oath(), "uid") == (
        FoundKey(
            "cn=T1,ou=tokens,dc=example,dc=org",
            "alice",
            SharedKey(KEY_32, HashAlgorithm.SHA256, 8, 60, "T1", 2),
        ),
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"class": "objectClass: oathHOTPToken"}, "counts"),
        ({"secret": 'oathSecret: {"protected": ""}'}, "encrypted"),
        ({"params": "oathTOTPParams: cn=elsewhere"}, "parameters"),
        ({"algorithm": "oathHMACAlgorithm: 1.2.840.113549.2.5"}, "algorithm"),
        ({"length": "oathOTPLength: 10"}, "10 digits"),
    ],
)
def test_a_token_that_cannot_be_used_is_told(changes: dict[str, str], why: str) -> None:
    found = oath_ldap.read(oath(**changes), "uid")
    assert any(why in one for one in whys(found))
    assert not any(isinstance(one, FoundKey) for one in found)


def test_a_token_that_nobody_points_to_is_nobodys() -> None:
    (found,) = oath_ldap.read(oath(owner="description: none"), "uid")
    assert isinstance(found, FoundKey)
    assert found.login == ""
    found, missing = oath_ldap.read(oath(owner="oathTOTPToken: cn=T9"), "uid")
    assert isinstance(found, FoundKey)
    assert found.login == ""
    assert isinstance(missing, NotRead)
    assert "not in the file" in missing.why


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00\xff",
        b"uid: alice\n",
        b"dn: a\nno colon here\n",
        b"dn: a\njpegPhoto:< file:///etc/passwd\n",
    ],
)
def test_what_is_no_ldif_is_refused_and_no_other_file_is_opened(text: bytes) -> None:
    with pytest.raises(NotThisFormat):
        shibboleth.read(text, "uid")


# -- PSKC ----------------------------------------------------------------------------------------


def pskc(lock: Callable[[PSKC], None] | None = None, **changes: object) -> bytes:
    container = PSKC()
    container.add_key(
        **{
            "id": "K1",
            "serial": "T1",
            "algorithm": TOTP,
            "secret": KEY_32,
            "algorithm_suite": "HMAC-SHA256",
            "response_length": 8,
            "response_encoding": "DECIMAL",
            "time_interval": 60,
            "key_userid": "uid=alice,dc=example,dc=org",
            **changes,
        }
    )
    if lock is not None:
        lock(container)
    out = io.BytesIO()
    container.write(out)
    return out.getvalue()


ALICES = FoundKey("key 1 (T1)", "alice", SharedKey(KEY_32, HashAlgorithm.SHA256, 8, 60, "T1"))
SECRET = bytes(range(16))


def preshared(container: PSKC) -> None:
    container.encryption.setup_preshared_key(key=SECRET, algorithm="aes128-cbc")


def test_a_container_in_clear_and_one_whose_keys_name_nobody() -> None:
    assert read(pskc(), None, {}) == [ALICES]
    assert read(pskc(key_userid=None), None, {"T1": "alice"}) == [ALICES]
    assert read(pskc(key_userid=None), None, {}) == [replace(ALICES, login="")]
    assert login_of("CN=x, UID=bob ,dc=y") == "bob"


def test_a_container_that_is_encrypted() -> None:
    sealed = pskc(preshared)
    assert base64.b64encode(KEY_32) not in sealed
    assert read(sealed, PreSharedKey(SECRET), {}) == [ALICES]
    by_words = pskc(lambda container: container.encryption.setup_pbkdf2("words", iterations=1000))
    assert read(by_words, Passphrase(b"words"), {}) == [ALICES]
    for text, opener in (
        (sealed, None),
        (sealed, PreSharedKey(bytes(16))),
        (by_words, Passphrase(b"w")),
    ):
        try:
            found = read(text, opener, {})
        except NotThisFormat:
            continue
        assert not any(isinstance(one, FoundKey) for one in found)


def test_a_container_that_was_altered_is_not_taken() -> None:
    sealed = pskc(preshared).decode()
    begin = sealed.index("<xenc:CipherValue>", sealed.index("<pskc:Secret>")) + len(
        "<xenc:CipherValue>"
    )
    other = "A" if sealed[begin] != "A" else "B"
    altered = sealed[:begin] + other + sealed[begin + 1 :]
    assert "does not open" in whys(list(read(altered.encode(), PreSharedKey(SECRET), {})))[0]
    start, end = sealed.index("<pskc:ValueMAC>"), sealed.index("</pskc:ValueMAC>")
    bare = sealed[:start] + sealed[end + len("</pskc:ValueMAC>") :]
    assert "without a MAC" in whys(list(read(bare.encode(), PreSharedKey(SECRET), {})))[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"algorithm": "urn:ietf:params:xml:ns:keyprov:pskc:hotp"}, "counts"),
        ({"response_length": 7}, "7 digits"),
        ({"time_interval": 20}, "20 seconds"),
        ({"algorithm_suite": "MD5"}, "MD5"),
        ({"secret": b"short"}, "bits"),
    ],
)
def test_keys_of_another_kind_are_told(changes: dict[str, object], why: str) -> None:
    assert why in whys(list(read(pskc(**changes), None, {})))[0]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"login,serial\n",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
    ],
)
def test_what_is_no_container_or_could_do_harm_is_refused(text: bytes) -> None:
    with pytest.raises(NotThisFormat):
        read(text, None, {})
