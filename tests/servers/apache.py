"""Apache httpd for what nginx doesn't have: Digest authentication (mod_auth_digest)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ._process import ServerError, ServerProcess, program

if TYPE_CHECKING:
    from collections.abc import Sequence

REALM = "the tests"

#: The users; together they have everything that has to be escaped or encoded.
USERS = {"user": "secret", 'o"ne\\two': "three", "Jäsøn": "sécret: ☺"}

_CONFIG = """
ServerRoot "{directory}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile httpd.pid
DefaultRuntimeDir "{directory}"
Mutex posixsem
ErrorLog /dev/stderr
LogLevel error
# Taken where it is started by root: it doesn't stay that.
User #65534
Group #65534
{modules}
DocumentRoot files
ServerLimit 1
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
MaxSpareThreads 8
MinSpareThreads 1
<Location "/">
    AuthName "{realm}"
    AuthUserFile "{directory}/digest"
    AuthType Digest
    Require valid-user
</Location>
# A nonce can be used once: the server announces the next one, or says "stale".
<Location "/once/">
    AuthDigestNonceLifetime 0
    AuthDigestDomain /once/
</Location>
<Location "/elsewhere">
    AuthDigestDomain /once/
</Location>
<Location "/basic/">
    AuthType Basic
    AuthUserFile "{directory}/basic"
</Location>
"""

_MODULES = ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "auth_digest")


class Apache(ServerProcess):
    """One Apache httpd whose every path asks for a user of :data:`USERS`.

    :param directory: a directory of its own, which everybody can read: httpd doesn't run as root.
    """

    def command(self) -> Sequence[str | Path]:
        apache = program("apache2", "apache2-bin")
        modules = Path("/usr/lib/apache2/modules")
        if not (modules / "mod_auth_digest.so").exists():
            raise ServerError(f"there is no {modules}/mod_auth_digest.so (Debian/Ubuntu: apt install apache2-bin)")
        for path in ("files", "files/once", "files/basic"):
            (self.directory / path).mkdir(exist_ok=True)
            (self.directory / path / "file").write_text("content\n")
        (self.directory / "files/elsewhere").write_text("content\n")
        digest = basic = ""
        for user, password in USERS.items():
            digest += f"{user}:{REALM}:{hashlib.md5(f'{user}:{REALM}:{password}'.encode()).hexdigest()}\n"
            hashed = hashlib.sha1(password.encode()).digest()
            basic += f"{user}:{{SHA}}{base64.b64encode(hashed).decode('ascii')}\n"
        (self.directory / "digest").write_text(digest, encoding="utf-8")
        (self.directory / "basic").write_text(basic, encoding="utf-8")
        (self.directory / "httpd.conf").write_text(
            _CONFIG.format(
                directory=self.directory,
                port=self.ports[0],
                realm=REALM,
                modules="\n".join(f'LoadModule {name}_module "{modules}/mod_{name}.so"' for name in _MODULES),
            )
        )
        # One process: nothing is left behind when it is killed.
        return [apache, "-X", "-f", self.directory / "httpd.conf"]

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.ports[0]}{path}"
