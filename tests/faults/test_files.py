"""Files that break while a server runs, and certificates and metadata that run out."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lxml import etree

from idp_mfa.key_folder import KeyFolder
from idp_mfa.keys import KeyType
from tests.bench.processes import children
from tests.faults.nodes import answers_ready, node, refused_start
from tests.faults.stand import Stand, wait_until
from tests.faults.test_house import SHARED
from tests.protocol.attacked import PLAIN, STRICT, carried, filled
from tests.simulators.service_provider import NAMES, KeyPair, instant, read_response

LONGER_THAN_OURS_LASTS = timedelta(days=3700)


def run_out(pair: KeyPair) -> KeyPair:
    """The same key in a certificate of last year."""
    old = pair.certificate
    certificate = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(pair.private.public_key())
        .serial_number(2)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
        .sign(pair.private, hashes.SHA256())
    )
    return KeyPair(pair.private, certificate)


# -- our own -------------------------------------------------------------------------------------


def test_files_that_break_while_it_runs_count_at_the_next_start(
    site: Stand, tmp_path: Path
) -> None:
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    for name in ("policy", "release"):
        written = settings["policy"] if name == "policy" else settings["saml"]["release"]
        shutil.copy(written, tmp_path / f"{name}.yaml")
    more = {
        **SHARED,
        "policy": str(tmp_path / "policy.yaml"),
        "saml": {**settings["saml"], "release": str(tmp_path / "release.yaml")},
    }
    with node(site, "rewritten", more=more, started=answers_ready) as running:
        file = site.idp.folder / "rewritten.yaml"
        good = file.read_text()
        for broken in (file, tmp_path / "policy.yaml", tmp_path / "release.yaml"):
            whole = broken.read_text()
            broken.write_text("nobody: knows\nthis: [")
            before = children(running.pid)
            os.kill(running.pid, signal.SIGHUP)
            wait_until(lambda before=before: not {*children(running.pid)} & {*before})
            wait_until(lambda: running.ready().status_code == 200)
            done = site.visitor(origin=running.origin).sign_in(site.person())
            assert carried(done.page), broken
            refused = refused_start(file)
            assert refused.returncode == 2, (broken, refused.stdout, refused.stderr)
            assert f"{broken.name}:" in refused.stderr
            broken.write_text(whole)
        assert file.read_text() == good


def test_our_own_certificate_may_run_out_and_sign_ins_go_on(site: Stand, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - LONGER_THAN_OURS_LASTS
    made = KeyFolder(tmp_path / "signing", lambda: long_ago, os.urandom)
    made.create(KeyType.RSA_2048, "idp.example")
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    keys = {**settings["keys"], "signing": str(tmp_path / "signing")}
    with node(site, "old-key", more={**SHARED, "keys": keys}, started=answers_ready) as old:
        page = site.visitor(origin=old.origin).sign_in(site.person()).page
        assert carried(page)
        metadata = requests.get(f"{old.origin}/saml/metadata", timeout=10).content
        found = etree.fromstring(metadata).find(".//ds:X509Certificate", NAMES)
        assert found is not None
        certificate = base64.b64decode(found.text or "")
        assert x509.load_der_x509_certificate(certificate).not_valid_after_utc < datetime.now(UTC)
        octets = base64.b64decode(filled(page, "SAMLResponse")["SAMLResponse"])
        assert read_response(octets, certificate).assertion is not None
    told = site.idp.command("--config", str(site.idp.folder / "old-key.yaml"), "check")
    assert told.returncode == 0, (told.stdout, told.stderr)
    (line,) = (line for line in told.stdout.splitlines() if " certificate:" in line)
    assert line.startswith("SOON")
    assert "services that look at the date refuse us" in line


# -- services' -----------------------------------------------------------------------------------


def test_a_services_certificate_may_run_out_for_its_key_counts(site: Stand) -> None:
    service = replace(
        STRICT, entity_id="https://old.example/sp", signing=(run_out(STRICT.signing[-1]),)
    )
    file = site.idp.folder / "old-service.xml"
    file.write_bytes(service.metadata())
    said = site.idp.must("sp", "add", str(file), "--tag", "internal")
    assert "a certificate ran out (its key still counts)" in said
    time.sleep(1.1)  # a node looks at the registry once a second
    visitor, person = site.visitor(), site.person()
    page = visitor.ask(service)
    assert page.mark == "signin.password", page.words
    assert carried(person.give_code(person.give_password(page)))


def test_metadata_that_runs_out_stops_one_service_and_nobody_else(site: Stand) -> None:
    began = time.monotonic()
    site.idp.must("sp", "list")
    ends = datetime.now(UTC) + timedelta(seconds=5 + 3 * (time.monotonic() - began))
    service = replace(
        PLAIN,
        entity_id="https://brief.example/sp",
        attributes=f'validUntil="{instant(ends)}"',
    )
    file = site.idp.folder / "brief.xml"
    file.write_bytes(service.metadata())
    said = site.idp.must("sp", "add", str(file), "--tag", "internal")
    assert "the metadata runs out soon" in said
    wait_until(lambda: site.visitor().ask(service).mark == "signin.password")
    under_way = site.visitor().ask(service)
    time.sleep(max((ends - datetime.now(UTC)).total_seconds(), 0) + 0.1)
    refused = site.visitor().ask(service)
    assert (refused.mark, refused.status) == ("error", 400), refused.words
    person = site.person()
    asked = person.give_password(under_way)
    assert not carried(person.give_code(asked) if asked.mark == "signin.challenge" else asked)
    assert carried(site.visitor().sign_in(site.person()).page)
    again = site.idp.command("sp", "add", str(file))
    assert again.returncode == 1
    assert "the metadata ran out" in again.stdout + again.stderr
