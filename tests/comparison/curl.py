"""The command ``curl``, told the same as the Python clients: one run for a session, its requests joined by --next."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tests.comparison.jobs import Ask, Got, NotOffered, Options, Session

_TLS_VERSIONS = {"1.2": "--tlsv1.2", "1.3": "--tlsv1.3"}
_SHOWN = 4096


def _session_options(options: Options) -> list[str]:
    # The cookie engine is off by default, as is following redirects; both are what the others do by themselves.
    made = ["--silent", "--show-error", "--compressed", "--cookie", ""]
    if options.follow:
        made.append("--location")
    if options.http2 is not None:
        made.append("--http2-prior-knowledge" if options.http2 else "--http1.1")
    if options.verbose:
        made.append("--verbose")
    if not options.verify:
        made.append("--insecure")
    if options.auth:
        kind, *credentials = options.auth
        if kind == "bearer":
            made += ["--oauth2-bearer", credentials[0]]
        else:
            made += [f"--{kind}", "--user", ":".join(credentials)]
    if options.certificate:
        made += ["--cert", options.certificate[0], "--key", options.certificate[1]]
    if options.ca:
        made += ["--cacert", options.ca, "--proxy-cacert", options.ca]
    if options.minimum_tls:
        made.append(_TLS_VERSIONS[options.minimum_tls])
    for name, value in {
        "--ciphers": options.ciphers, "--max-redirs": options.max_redirects, "--max-time": options.total,
        "--max-filesize": options.decoded,
        "--netrc-file": options.netrc, "--pinnedpubkey": options.pin, "--proxy": options.proxy,
        "--retry": options.retries, "--unix-socket": options.unix,
    }.items():  # fmt: skip
        if value:
            made += [name, str(value)]
    return made


def _ask_options(ask: Ask) -> list[str]:
    made: list[str] = []
    for name, value in ask.headers:
        made += ["--header", f"{name}: {value}"]
    body = ask.body.decode()
    if ask.kind == "json":
        made += ["--json", body]
    elif ask.kind == "multipart":
        made += ["--form", f"file=@{body}"]
    elif ask.kind == "file":
        made += ["--upload-file", body]
    elif ask.kind == "generator":
        made += ["--upload-file", "-"]
    elif body:
        made += ["--data-binary", body]
    # --request would go on to change what a redirect makes of the method; a body makes it POST by itself.
    if ask.method == "HEAD":
        made.append("--head")
    elif ask.method not in ("GET", "POST") or (ask.method == "POST" and ask.kind in ("file", "generator")):
        made += ["--request", ask.method]
    elif ask.method == "POST" and not made:
        made += ["--data", ""]
    return [*made, "--globoff", ask.url]


def run(asks: list[Ask], options: Options, patience: float) -> Session:
    """Do it, and give up after *patience* seconds."""
    program = shutil.which("curl")
    assert program, "curl is missing: apt-get install curl"
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        command = [program, "--disable"]
        if any(ask.pause for ask in asks):
            command += ["--rate", "3/s"]
        if options.together:
            command += ["--parallel", "--parallel-max", str(len(asks))]
        for number, ask in enumerate(asks):
            if number:
                command.append("--next")
            command += [*_session_options(options), *_ask_options(ask)]
            # What is limited in memory by others is thrown away here.
            command += ["--output", "/dev/null" if options.memory else str(directory / f"body{number}")]
            command += ["--dump-header", str(directory / f"head{number}")]
            command += ["--write-out", f"%{{stderr}}\n@{number} %{{json}}\n"]
        given = b"".join(ask.body for ask in asks if ask.kind == "generator")
        if any("\0" in argument for argument in command):
            raise NotOffered("refused (no argument can have it)")
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **options.env},
        )
        session = Session()
        measuring = threading.Thread(target=_measure, args=(process.pid, session))
        measuring.start()
        timer = threading.Timer(patience, process.send_signal, [signal.SIGKILL])
        timer.start()
        assert process.stdin
        assert process.stderr
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(given)
                process.stdin.close()
            told = process.stderr.read().decode("utf-8", "replace")
            process.stderr.close()
            # Not while somebody looks at the number of the process.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            measuring.join()
            process.wait()
        finally:
            timer.cancel()
        session.hung = process.returncode == -signal.SIGKILL
        tls = ""
        reports: dict[int, dict[str, object]] = {}
        for line in told.splitlines():
            if line.startswith("@") and "{" in line:
                at, _, text = line.partition(" ")
                reports[int(at[1:])] = json.loads(text)
            elif line.startswith("* SSL connection using "):
                tls = line.removeprefix("* SSL connection using ")
            elif line.startswith(("curl: ", "Warning: ")):
                session.warned += line
        if not reports and not session.hung:
            session.got = [Got(f"curl {process.returncode}", extra={"message": session.warned})]
        for number in range(len(asks)):
            if number in reports:
                session.got.append(_got(reports[number], directory / f"head{number}", directory / f"body{number}"))
                session.got[-1].extra["tls"] = tls
        return session


def _measure(pid: int, session: Session) -> None:
    """Note the most memory that a process has, until it ends: what is told at the end includes its parent's."""
    while True:
        with open(f"/proc/{pid}/status") as file:
            found = [int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")]
        if not found:
            return
        session.growth = found[0]
        time.sleep(0.01)


def _got(report: dict[str, object], head: Path, body: Path) -> Got:
    exit_code = report.get("exitcode", 0)
    if exit_code:
        return Got(f"curl {exit_code}", extra={"message": str(report.get("errormsg"))})
    status = int(str(report["response_code"]))
    blocks = head.read_bytes().decode("latin-1").replace("\r\n", "\n").split("\n\n") if head.exists() else []
    heads = [block.splitlines() for block in blocks if block.startswith("HTTP/")]
    final = [lines for lines in heads if int(lines[0].split()[1]) == status]
    trailers = [line for block in blocks if not block.startswith("HTTP/") for line in block.splitlines()]
    fields = [line.partition(":") for line in final[-1][1:]] if final else []
    content = body.read_bytes() if body.exists() else b""
    return Got(
        "",
        status,
        [(field_name, value.strip()) for field_name, _, value in fields],
        content[:_SHOWN],
        content[:_SHOWN].decode("latin-1"),
        len(content) or int(str(report["size_download"])),
        str(report["url_effective"]),
        {
            "peer": f"{report['remote_ip']}:{report['remote_port']}",
            "timings": str(report["time_total"]),
            "phases": str(report["time_connect"]),
            "trailers": ", ".join(trailers),
            "informational": " ".join(lines[0].split()[1] for lines in heads if lines[0].split()[1].startswith("1")),
            "version": f"HTTP/{report['http_version']}",
        },
    )
