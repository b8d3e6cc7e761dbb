"""The TLS options of the client, against real servers: nginx, ``openssl s_server``, and servers driven by hand."""

from __future__ import annotations

import base64
import gc
import hashlib
import os
import ssl
import stat
import subprocess
import sys
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import httpclient.tls_options as options_module
from httpclient import HttpCertificateError, HttpTlsError, TgoHttpClient, TgoHttpClientManager
from httpclient.errors import InsecureTlsWarning
from httpclient.tls import TlsInfo
from httpclient.tls_options import KeyLog, options_key, shared_context
from tests.openssl_api.peers import Pair
from tests.openssl_api.s_server import SServer
from tests.servers import _tls
from tests.servers.scripted import answer

from .ways import LIMIT, both_ways

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from openssl_api import TlsContext
    from tests.certificates import Certificates, Identity
    from tests.servers.nginx import Nginx
    from tests.servers.scripted import Connection, ScriptedServer

    from .ways import Way

    ScriptedServers = Callable[..., ScriptedServer]

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("maximum", [V12, V13], ids=["1.2", "1.3"])

OTHER = "sha256:" + "00" * 32


def leaf(identity: Identity) -> bytes:
    """Return the first certificate, DER."""
    return x509.load_pem_x509_certificate(identity.certificate_pem).public_bytes(Encoding.DER)


def certificate_pin(identity: Identity) -> str:
    return "sha256:" + hashlib.sha256(leaf(identity)).digest().hex(":").upper()


def key_pin(identity: Identity) -> str:
    key = x509.load_der_x509_certificate(leaf(identity)).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def facts(text: str) -> dict[str, str]:
    """Return what nginx says of a connection."""
    return dict(line.partition("=")[::2] for line in text.splitlines())


def context_of(http: TgoHttpClient) -> TlsContext:
    pool = http._pool
    assert pool is not None
    return pool.tls_context()


class TestAuthorities:
    @both_ways
    @pytest.mark.parametrize("option", ["ca_file", "ca_path", "ca_directory", "ca_data", "ca_text"])
    def test_good_ones(
        self, way: Way, option: str, nginx: Nginx, certificates: Certificates, tmp_path: pathlib.Path
    ) -> None:
        forms: dict[str, dict[str, Any]] = {
            "ca_file": {"ca_file": str(certificates.ca_file)},
            "ca_path": {"ca_file": certificates.ca_file},
            "ca_directory": {"ca_directory": tmp_path},
            "ca_data": {"ca_data": certificates.ca_pem},
            "ca_text": {"ca_data": certificates.ca_pem.decode()},
        }
        options = forms[option]
        if option == "ca_directory":
            (tmp_path / "ca.pem").write_bytes(certificates.ca_pem)
            subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
        with way.client(**options) as http:
            assert way.get(http, nginx.url("https1", "/1k")).ok

    @both_ways
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"ca_file": "/nowhere/ca.pem"}, ["/nowhere/ca.pem", "No such file"]),
            ({"ca_directory": "/nowhere/certs"}, ["/nowhere/certs", "does not exist"]),
            ({"ca_data": b"nonsense"}, ["CA data"]),
            ({"ca_data": ["list"]}, ["wrong type"]),
        ],
    )
    def test_useless_ones(self, way: Way, options: dict[str, Any], words: list[str], nginx: Nginx) -> None:
        with way.client(**options) as http:
            error = way.fail(http, "GET", nginx.url("https1", "/1k"))
        assert isinstance(error, HttpTlsError)
        assert all(word in str(error) for word in words), error

    @pytest.mark.parametrize(
        ("environment", "words"),
        [
            ({"SSL_CERT_FILE": "EMPTY"}, ["SSL_CERT_FILE", "empty.pem"]),
            ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, ["SSL_CERT_FILE", "/nowhere/ca.pem"]),
            ({"SSL_CERT_DIR": "/nowhere/certs"}, ["SSL_CERT_DIR", "/nowhere/certs"]),
        ],
    )
    def test_no_system_authorities(
        self, environment: dict[str, str], words: list[str], nginx: Nginx, tmp_path: pathlib.Path
    ) -> None:
        (tmp_path / "empty.pem").write_bytes(b"")
        settings = {name: value.replace("EMPTY", str(tmp_path / "empty.pem")) for name, value in environment.items()}
        program = f"from httpclient import TgoHttpClient\nTgoHttpClient().get({nginx.url('https1', '/1k')!r})\n"
        result = python(program, **settings)
        assert result.returncode == 1
        last = result.stderr.splitlines()[-1]
        assert last.startswith("httpclient.errors.HttpTlsError")
        for word in (*words, "ca-certificates", "ca_file"):
            assert word in last

    def test_the_environment_names_authorities(self, nginx: Nginx, certificates: Certificates) -> None:
        program = (
            f"from httpclient import TgoHttpClient\nprint(TgoHttpClient().get({nginx.url('https1', '/1k')!r}).ok)\n"
        )
        assert python(program, SSL_CERT_FILE=str(certificates.ca_file)).stdout == "True\n"


def python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program by a Python of its own."""
    command = [sys.executable, *arguments, "-c", program]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=LIMIT, check=False
    )


class TestClientCertificates:
    @both_ways
    def test_in_all_forms(self, way: Way, nginx: Nginx, certificates: Certificates) -> None:
        identity, encrypted = certificates.client, certificates.client_encrypted
        both = identity.certificate_pem + identity.key_pem
        forms: tuple[dict[str, Any], ...] = (
            {"certificate": identity.certificate, "private_key": identity.key},
            {"certificate": str(identity.certificate), "private_key": str(identity.key)},
            {"certificate": identity.certificate_pem, "private_key": identity.key_pem},
            {"certificate": both},
            {"certificate": both.decode()},
            {
                "certificate": encrypted.certificate,
                "private_key": encrypted.key,
                "private_key_password": encrypted.password,
            },
        )
        for options in forms:
            with way.client(certificates, **options) as http:
                response = way.get(http, nginx.url("client_required", "/connection"))
                assert "CN" in facts(response.text)["certificate"], options

    @both_ways
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"private_key_password": "sesame"}, ["password does not open it"]),
            ({"private_key_password": ""}, ["encrypted, and no password"]),
            ({"certificate": b""}, ["no use without its certificate"]),
            ({"private_key": "/nowhere/key.pem"}, ["private key cannot be read", "/nowhere/key.pem"]),
            ({"certificate": "/nowhere/cert.pem"}, ["certificate cannot be read", "/nowhere/cert.pem"]),
        ],
    )
    def test_useless_ones(
        self, way: Way, change: dict[str, Any], words: list[str], nginx: Nginx, certificates: Certificates
    ) -> None:
        identity = certificates.client_encrypted
        options: dict[str, Any] = {
            "certificate": identity.certificate,
            "private_key": identity.key,
            "private_key_password": identity.password,
            **change,
        }
        with way.client(certificates, **options) as http:
            error = way.fail(http, "GET", nginx.url("client_required", "/1k"))
        assert isinstance(error, HttpTlsError)
        assert all(word in str(error) for word in words), error
        assert "sesame" not in str(error)

    @both_ways
    def test_a_key_as_text_is_in_no_message(self, way: Way, nginx: Nginx, certificates: Certificates) -> None:
        text = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"
        with way.client(certificates, certificate=certificates.client.certificate, private_key=text) as http:
            assert "SECRET" not in str(way.fail(http, "GET", nginx.url("client_required", "/1k")))

    @both_ways
    @both_versions
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_none_for_a_server_that_requires_one(
        self,
        way: Way,
        maximum: ssl.TLSVersion,
        method: str,
        scripted: ScriptedServers,
        certificates: Certificates,
    ) -> None:
        """In TLS 1.3 the server says so after the client's handshake, when the request may be on its way already."""
        context = _tls.tls_context(certificates.server, client_ca=certificates.ca_file, maximum=maximum)
        server = scripted(answer(b"never"), tls=context, handshakes_fail=True)
        with way.client(certificates) as http:
            data = b"x" * 100_000 if method == "POST" else None
            error = way.fail(http, method, f"https://localhost:{server.port}/", data=data)
        assert isinstance(error, HttpTlsError), error
        assert "certificate" in str(error)

    @both_ways
    @pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
    def test_none_for_s_server(self, way: Way, version: str, certificates: Certificates) -> None:
        arguments = [version, "-www", "-Verify", "3", "-verify_return_error", "-CAfile", str(certificates.ca_file)]
        with SServer(certificates.server, *arguments) as server, way.client(certificates) as http:
            error = way.fail(http, "GET", f"https://localhost:{server.port}/")
            assert isinstance(error, HttpTlsError), error
            assert "client certificate" in str(error)
        identity = certificates.client
        with (
            SServer(certificates.server, *arguments) as server,
            way.client(certificates, certificate=identity.certificate, private_key=identity.key) as http,
        ):
            assert way.get(http, f"https://localhost:{server.port}/").ok

    def test_renegotiation_is_refused(self, certificates: Certificates) -> None:
        """A server of TLS 1.2 that wants a certificate only once it has seen the request."""
        with (
            SServer(certificates.server, "-tls1_2") as server,
            TgoHttpClient(False, False, ca_file=certificates.ca_file, recv_timeout=LIMIT) as http,
        ):
            future = http.get(f"https://localhost:{server.port}/")
            server.wait_for(rb"GET / HTTP/1\.1")
            server.type(b"R\n")
            error = future.exception(LIMIT)
        assert isinstance(error, HttpTlsError), error
        assert "renegotiation, which is refused" in str(error)


class TestVersionsAndCiphers:
    @both_ways
    def test_minimum(self, way: Way, nginx: Nginx, certificates: Certificates) -> None:
        with way.client(certificates) as http:
            assert facts(way.get(http, nginx.url("tls12", "/connection")).text)["tls"] == "TLSv1.2"
        with way.client(certificates, minimum_tls_version="1.3") as http:
            assert facts(way.get(http, nginx.url("https1", "/connection")).text)["tls"] == "TLSv1.3"
            error = way.fail(http, "GET", nginx.url("tls12", "/connection"))
        assert isinstance(error, HttpTlsError)
        assert "version" in str(error)

    @both_ways
    @pytest.mark.parametrize("version", ["1.4", "TLSv1.2", "", "3", None, 1.2, ["1.2"]])
    def test_nonsense(self, way: Way, version: Any, nginx: Nginx, certificates: Certificates) -> None:
        with way.client(certificates, minimum_tls_version=version) as http:
            error = way.fail(http, "GET", nginx.url("https1", "/1k"))
        assert isinstance(error, HttpTlsError)
        assert "is no minimum_tls_version: '1.2' and '1.3' are" in str(error) or "wrong type" in str(error)

    @both_ways
    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_old_versions(self, way: Way, scripted: ScriptedServers, certificates: Certificates) -> None:
        """Only on two explicit wishes: the version, and ciphers that are weak enough."""
        context = _tls.tls_context(certificates.server)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        server = scripted(answer(b"old"), tls=context, handshakes_fail=True)
        url = f"https://localhost:{server.port}/"
        weak: dict[str, Any] = {"ciphers": "DEFAULT:@SECLEVEL=0"}
        for options in ({}, weak):
            with way.client(certificates, **options) as http:
                assert isinstance(way.fail(http, "GET", url), HttpTlsError)
        strict: dict[str, Any] = {"minimum_tls_version": "1.1", "ciphers": "DEFAULT:@SECLEVEL=5"}
        with way.client(certificates, **strict) as http:
            assert "TLS 1.1 cannot be used at OpenSSL's security level" in str(way.fail(http, "GET", url))
        with way.client(certificates, minimum_tls_version="1.1", **weak) as http:
            assert way.get(http, url).content == b"old"

    @both_ways
    def test_ciphers(self, way: Way, nginx: Nginx, certificates: Certificates) -> None:
        name = "TLS_CHACHA20_POLY1305_SHA256"
        with way.client(certificates, ciphers=name) as http:
            assert facts(way.get(http, nginx.url("https1", "/connection")).text)["cipher"] == name
        for nonsense in ("no-such-cipher", "", 7):
            with way.client(certificates, ciphers=nonsense) as http:
                error = way.fail(http, "GET", nginx.url("https1", "/1k"))
            assert isinstance(error, HttpTlsError)
            assert "the cipher list" in str(error)


class TestNoVerification:
    def test_the_warning_comes_once_and_points_at_the_caller(self, tmp_path: pathlib.Path) -> None:
        script = tmp_path / "careless.py"
        script.write_text(
            "from httpclient import TgoHttpClient\n"
            "def make():\n"
            "    return TgoHttpClient(verify=False)  # line 3\n"
            "make()\n"
            "TgoHttpClient(verify=False)\n"
        )
        command = [sys.executable, "-W", "always", str(script)]
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=True)
        assert result.stderr.count("InsecureTlsWarning") == 1
        assert f"{script}:3: InsecureTlsWarning: verify=False" in result.stderr

    def test_as_an_error_it_comes_every_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(options_module, "_warned", False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(2):
                with pytest.raises(InsecureTlsWarning):
                    TgoHttpClient(verify=False)

    def test_none_with_fingerprints_or_verification(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(options_module, "_warned", False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TgoHttpClient().close()
            TgoHttpClient(verify=False, fingerprints=(OTHER,)).close()

    @pytest.mark.parametrize("verify", ["/etc/ssl/certs", None, 0, 1, ""])
    def test_what_is_neither(self, verify: Any) -> None:
        with pytest.raises(TypeError, match="ca_file"):
            TgoHttpClient(verify=verify)


class TestFingerprints:
    @both_ways
    @pytest.mark.parametrize("http2", [False, None])
    def test_good_ones(self, way: Way, http2: bool | None, nginx: Nginx, certificates: Certificates) -> None:
        identity = certificates.server
        for pins in ((certificate_pin(identity),), [OTHER, key_pin(identity)], iter([key_pin(identity)])):
            with way.client(certificates, http2=http2, fingerprints=pins) as http:
                for _ in range(2):
                    assert way.get(http, nginx.url("https", "/1k")).ok
        with way.client(verify=False, fingerprints=key_pin(certificates.self_signed)) as http:
            assert way.get(http, nginx.url("self_signed", "/1k")).ok

    @both_ways
    @both_versions
    @pytest.mark.parametrize("verify", [True, False])
    def test_others(
        self,
        way: Way,
        maximum: ssl.TLSVersion,
        verify: bool,
        scripted: ScriptedServers,
        certificates: Certificates,
    ) -> None:
        """Not a byte of the request is sent, and the error says what the server has."""
        seen: list[bytes] = []

        def handler(connection: Connection) -> None:
            seen.append(connection.receive_some())

        context = _tls.tls_context(certificates.server, maximum=maximum)
        server = scripted(handler, tls=context, handshakes_fail=True, aborts=True)
        options: dict[str, Any] = {"ca_file": str(certificates.ca_file)} if verify else {"verify": False}
        with way.client(fingerprints=[OTHER, key_pin(certificates.server_rsa)], **options) as http:
            error = way.fail(http, "GET", f"https://localhost:{server.port}/")
        assert isinstance(error, HttpCertificateError)
        assert error.retry_safe
        assert certificate_pin(certificates.server) in str(error)
        assert key_pin(certificates.server) in str(error)
        assert "Pin one of these" in error.advice
        server.close()
        assert b"".join(seen) == b""

    @both_ways
    def test_a_pin_is_no_authority(self, way: Way, nginx: Nginx, certificates: Certificates) -> None:
        with way.client(certificates, fingerprints=key_pin(certificates.self_signed)) as http:
            error = way.fail(http, "GET", nginx.url("self_signed", "/1k"))
        assert isinstance(error, HttpCertificateError)
        assert error.verify_code

    @both_ways
    @pytest.mark.parametrize("pins", ["nonsense", ["sha256:00"], [b"x"], ["sha1:" + "00" * 20]])
    def test_nonsense(self, way: Way, pins: Any, nginx: Nginx, certificates: Certificates) -> None:
        with way.client(certificates, fingerprints=pins) as http:
            error = way.fail(http, "GET", nginx.url("https1", "/1k"))
        assert isinstance(error, HttpTlsError)
        assert "is no fingerprint" in str(error)


class TestKeyLog:
    LABELS = ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0")

    @both_ways
    def test_lines(
        self,
        way: Way,
        nginx: Nginx,
        certificates: Certificates,
        tmp_path: pathlib.Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = tmp_path / "keys.log"
        monkeypatch.setenv("SSLKEYLOGFILE", str(path))
        with way.client(certificates, session_resumption=False) as http:
            way.get(http, nginx.url("https1", "/1k"))
            way.get(http, nginx.url("tls12", "/1k"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        content = path.read_text()
        assert content.endswith("\n")
        lines = [line.split(" ") for line in content.splitlines()]
        assert {line[0] for line in lines} >= {*self.LABELS, "CLIENT_RANDOM"}
        for label, random, secret in lines:
            assert label.isupper()
            assert len(bytes.fromhex(random)) == 32
            assert len(bytes.fromhex(secret)) >= 32

    def test_appended_by_many(self, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "keys.log"
        path.write_bytes(b"before\n")
        threads = [threading.Thread(target=KeyLog(str(path)), args=(b"%03d" % n * 50,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        lines = path.read_bytes().splitlines()
        assert lines[0] == b"before"
        assert sorted(lines[1:]) == sorted(b"%03d" % n * 50 for n in range(20))

    @both_ways
    def test_an_unusable_file_is_a_warning(
        self, way: Way, nginx: Nginx, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys.log")
        with (
            way.client(certificates) as http,
            pytest.warns(UserWarning, match=r"SSLKEYLOGFILE can't be used: .*/nowhere/keys\.log"),
        ):
            assert way.get(http, nginx.url("https1", "/1k")).ok

    def test_what_goes_wrong_later_is_passed_over(self, tmp_path: pathlib.Path) -> None:
        directory = tmp_path / "logs"
        directory.mkdir()
        log = KeyLog(str(directory / "keys.log"))
        (directory / "keys.log").unlink()
        directory.rmdir()
        log(b"a line")


class TestSharing:
    def test_clients_with_equal_options(self, nginx: Nginx, certificates: Certificates) -> None:
        """They resume each other's sessions, also one after the other, until a client with others comes."""
        url = nginx.url("https1", "/connection")
        options: dict[str, Any] = {"ca_file": str(certificates.ca_file), "http2": False, "ciphers": "DEFAULT"}
        with TgoHttpClient(**options) as first:
            assert facts(first.get(url).text)["reused"] == "."
            context = context_of(first)
            with TgoHttpClient(**options) as second:
                assert facts(second.get(url).text)["reused"] == "r"
                assert context_of(second) is context
            # The first one's connection and sessions are still good.
            assert first.get(url).ok
            with TgoHttpClient(**options) as third:
                assert facts(third.get(url).text)["reused"] == "r"
        for client in (first, second, third):
            client.close()
        with TgoHttpClient(**options) as late:
            assert facts(late.get(url).text)["reused"] == "r"
        del context, client, first, second, third, late
        shared_context((), {"verify": False})
        gc.collect()
        with TgoHttpClient(**options) as late:
            assert facts(late.get(url).text)["reused"] == "."

    def test_clients_that_differ_in_anything(
        self, nginx: Nginx, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
    ) -> None:
        url = nginx.url("https1", "/connection")
        identity = certificates.client
        base: dict[str, Any] = {"http2": False, "ca_data": certificates.ca_pem}
        variants: list[dict[str, Any]] = [
            base,
            {**base, "http2": None},
            {**base, "ca_data": certificates.ca_pem + certificates.ca_pem},
            {**base, "ca_data": None, "ca_file": str(certificates.ca_file)},
            {**base, "verify": False},
            {**base, "certificate": identity.certificate, "private_key": identity.key},
            {**base, "certificate": identity.certificate_pem, "private_key": identity.key_pem},
            {**base, "fingerprints": key_pin(certificates.server)},
            {**base, "fingerprints": (key_pin(certificates.server), OTHER)},
            {**base, "minimum_tls_version": "1.3"},
            {**base, "ciphers": "DEFAULT"},
            {**base, "session_resumption": False},
        ]
        clients = [TgoHttpClient(**variant) for variant in variants]
        for http in clients:
            assert facts(http.get(url).text)["reused"] == "."
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
        clients.append(TgoHttpClient(**base))
        assert facts(clients[-1].get(url).text)["reused"] == "."
        assert len({id(context_of(http)) for http in clients}) == len(clients)
        for http in clients:
            http.close()

    def test_a_file_that_changes(self, certificates: Certificates, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "ca.pem"
        path.write_bytes(certificates.ca_pem)
        options = {"ca_file": str(path)}
        first = shared_context((), options)
        assert shared_context((), options) is first
        path.write_bytes(certificates.ca_pem + certificates.self_signed.certificate_pem)
        assert shared_context((), options) is not first

    def test_the_environment(self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
        first = shared_context((), {})
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
        assert shared_context((), {}) is not first

    def test_nothing_is_kept_that_nobody_uses(self) -> None:
        gc.collect()
        before = len(options_module._contexts)
        for number in range(20):
            shared_context((), {"verify": False, "fingerprints": f"sha256:{number:064x}"})
        gc.collect()
        assert len(options_module._contexts) <= before + 1

    def test_what_knows_a_secret_goes_with_its_client(self, certificates: Certificates) -> None:
        identity = certificates.client
        reference = weakref.ref(
            shared_context((), {"certificate": identity.certificate_pem, "private_key": identity.key_pem})
        )
        gc.collect()
        assert reference() is None

    def test_many_threads_get_one(self) -> None:
        found: list[TlsContext] = []
        start = threading.Barrier(8)

        def work() -> None:
            start.wait()
            found.append(shared_context((b"x",), {"verify": False}))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert len(found) == 8
        assert len(set(map(id, found))) == 1

    def test_a_forked_child(self) -> None:
        """The parent may have held the lock, and the child's sessions are its own."""
        kept = shared_context((b"y",), {"verify": False})
        with options_module._lock:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    again = shared_context((b"y",), {"verify": False})
                    other = shared_context((b"z",), {"verify": False})
                    code = 0 if again is kept and other is not kept else 2
                finally:
                    os._exit(code)
        deadline = time.monotonic() + LIMIT
        while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
            time.sleep(0.01)
        if not done[0]:
            os.kill(child, 9)
            done = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(done[1]) == 0

    def test_secrets_are_not_shown(self, certificates: Certificates) -> None:
        hidden = ("private_key", "password", "certificate", "ca_data")
        options: dict[str, Any] = {"verify": True, **dict.fromkeys(hidden, b"SECRET")}
        assert "SECRET" not in repr(options_key(options))
        assert options_key(options) == options_key(dict(options))
        assert options_key(options) != options_key({**options, "password": "other"})
        assert options_key({"private_key": b"a"}) != options_key({"private_key": "a"})
        with TgoHttpClientManager() as manager:
            http = TgoHttpClient(manager=manager, private_key=b"SECRET", certificate=b"SECRET")
            http._open_pool()
            assert "SECRET" not in repr(manager._pools)
            http.close()

    @both_ways
    def test_resumption_switched_off(self, way: Way, nginx: Nginx, certificates: Certificates) -> None:
        for site in ("https1", "tls12"):
            url = nginx.url(site, "/connection")
            for resumption, expected in ((True, [".", "r"]), (False, [".", "."])):
                with way.client(certificates, session_resumption=resumption, ciphers="DEFAULT") as keeper:
                    reused = [facts(way.get(keeper, url).text)["reused"]]
                    with way.client(certificates, session_resumption=resumption, ciphers="DEFAULT") as http:
                        reused.append(facts(way.get(http, url).text)["reused"])
                assert reused == expected
                del keeper, http
                gc.collect()


class TestNames:
    @both_ways
    @pytest.mark.parametrize(
        ("site", "host", "name"),
        [
            ("https1", "localhost", "localhost"),
            ("https1", "LocalHost", "localhost"),
            ("https1", "localhost.", "localhost"),
            ("name_only", "localhost.", "localhost"),
            ("https1", "127.0.0.1", ""),
            ("ip_only", "127.0.0.1", ""),
        ],
    )
    def test_good_ones(
        self, way: Way, site: str, host: str, name: str, nginx: Nginx, certificates: Certificates
    ) -> None:
        """RFC 6066 section 3: no dot at the end, and no address."""
        with way.client(certificates) as http:
            response = way.get(http, f"https://{host}:{nginx.port(site)}/connection")
            assert facts(response.text)["name"] == name

    @both_ways
    @pytest.mark.parametrize(
        ("site", "host"), [("name_only", "127.0.0.1"), ("ip_only", "localhost"), ("ip_only", "localhost.")]
    )
    def test_others(self, way: Way, site: str, host: str, nginx: Nginx, certificates: Certificates) -> None:
        with way.client(certificates) as http:
            error = way.fail(http, "GET", f"https://{host}:{nginx.port(site)}/1k")
        assert isinstance(error, HttpCertificateError)
        assert "it is for" in str(error)


class TestInfo:
    def test_what_it_says(self, nginx: Nginx, certificates: Certificates) -> None:
        with TgoHttpClient(ca_file=str(certificates.ca_file)) as http:
            response = http.get(nginx.url("https", "/1k"))
            info = response.tls
        # The connection has ended.
        assert info is not None
        assert str(info) == response.tls_description
        assert (info.version, info.alpn, info.resumed) == ("TLSv1.3", "h2", False)
        assert info.cipher.startswith("TLS_")
        assert info.certificate == leaf(certificates.server)
        assert ssl.PEM_cert_to_DER_cert(info.certificate_pem) == info.certificate
        assert info.certificate_pem == ssl.DER_cert_to_PEM_cert(info.certificate)
        assert "TLSv1.3" in repr(info)

    @both_versions
    def test_resumed(self, maximum: ssl.TLSVersion, scripted: ScriptedServers, certificates: Certificates) -> None:
        server = scripted(answer(b"x"), tls=_tls.tls_context(certificates.server, maximum=maximum))
        found: list[TlsInfo] = []
        kept = []
        for _ in range(2):
            http = TgoHttpClient(False, ca_file=str(certificates.ca_file))
            kept.append(http)
            response = http.get(f"https://localhost:{server.port}/")
            assert response.tls is not None
            found.append(response.tls)
        for http in kept:
            http.close()
        assert [info.resumed for info in found] == [False, True]
        assert {info.certificate for info in found} == {leaf(certificates.server)}

    def test_a_server_without_a_certificate(self, certificates: Certificates) -> None:
        context = shared_context((), {"verify": False, "ciphers": "aNULL:@SECLEVEL=0"})
        server = _tls.tls_context(certificates.server, maximum=V12)
        server.set_ciphers("aNULL:@SECLEVEL=0")
        with Pair(server, context).handshake() as pair:
            info = TlsInfo(pair.engine)
        assert info.version == "TLSv1.2"
        assert info.certificate == b""
        assert info.certificate_pem == ""
