"""registries.py start|stop|status: the servers behind serve.sh, which says what they are for.

$MATERIAL/registries.json   {plain,tls,basic,token: {addr, …}, pids: {name: [pid, start time]}}
$MATERIAL/serve/            certificates, configurations, logs"""

import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

MATERIAL = Path(os.environ["MATERIAL"])
HERE = Path(__file__).parent
WORK = MATERIAL / "serve"
FACTS = MATERIAL / "registries.json"
USER, PASSWORD = "tester", "correct horse: battery/staple"  # a colon and a slash, as real passwords have
SERVICE, ISSUER = "material registry", "material token server"
START_SECONDS = 20  # a registry is up in well under one; a busy machine is slow


def start_time(pid):
    """Field 22 of /proc/<pid>/stat, which together with the pid names one process; None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def living(facts):
    return {name: pid for name, (pid, started) in facts["pids"].items() if start_time(pid) == started}


def known():
    return json.loads(FACTS.read_text()) if FACTS.exists() else {"pids": {}}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=WORK, check=True, stderr=subprocess.DEVNULL)


def certificates():
    """Our authority, a server certificate for loopback, and the key that signs tokens; made once."""
    if (WORK / "token.pem").exists():
        return
    new_key = ["-newkey", "rsa:2048", "-nodes", "-days", "3650"]
    openssl("req", "-x509", *new_key, "-subj", "/CN=isolazi test authority", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *new_key[:-2], "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    (WORK / "server.ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
            "-extfile", "server.ext", "-out", "server.pem")
    openssl("req", "-x509", *new_key, "-subj", "/CN=isolazi test tokens", "-keyout", "token.key", "-out", "token.pem")


def spawn(name, command, pattern):
    """Starts a server that survives this shell; returns its pid and the address it logs."""
    log = WORK / f"{name}.log"
    with open(log, "wb") as sink:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
                                 cwd=WORK, close_fds=True)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        found = re.search(pattern, log.read_text())
        if found:
            return (child.pid, start_time(child.pid)), found.group(1)
        time.sleep(0.02)
    child.kill()
    raise SystemExit(f"error: can't start `{name}`: see {log}")


def registry(name, tls=True, auth=None):
    """One docker-registry; JSON is YAML, so its configuration needs no other library."""
    config = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(MATERIAL / "storage")},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": True}},
        },
        # Port 0: the kernel chooses, the log says which.
        "http": {"addr": "127.0.0.1:0", "secret": secrets.token_hex()},
    }
    if tls:
        config["http"]["tls"] = {"certificate": str(WORK / "server.pem"), "key": str(WORK / "server.key")}
    if auth:
        config["auth"] = auth
    path = WORK / f"{name}.yml"
    path.write_text(json.dumps(config, indent=1))
    return spawn(name, ["docker-registry", "serve", str(path)], r"listening on (127\.0\.0\.1:\d+)")


def start():
    facts = known()
    if facts["pids"] and len(living(facts)) == len(facts["pids"]):
        return
    stop()
    if not (MATERIAL / "storage").is_dir():
        raise SystemExit(f"error: can't serve images that are not built: run {HERE / 'build.sh'}")
    WORK.mkdir(exist_ok=True)
    certificates()
    bcrypt = subprocess.run(["htpasswd", "-nbB", USER, PASSWORD], check=True, capture_output=True).stdout
    (WORK / "htpasswd").write_bytes(bcrypt)
    # `late` gets tokens that are expired already; `tester` those of TOKEN_EXPIRY.
    accounts = {
        USER: {"password": PASSWORD, "expiry": int(os.environ.get("TOKEN_EXPIRY", "300"))},
        "late": {"password": PASSWORD, "expiry": -3600},
    }
    (WORK / "accounts.json").write_text(json.dumps(accounts))

    facts = {"pids": {}}

    def note(name, server):
        # Written after each start, so that `stop` finds all of them even if a later one fails.
        facts["pids"][name], address = server
        aside = FACTS.with_suffix(".new")
        aside.write_text(json.dumps(facts, indent=1))
        aside.rename(FACTS)
        return address

    tokens = [sys.executable, "-B", str(HERE / "token_server.py"), str(WORK), SERVICE, ISSUER]
    realm = f"https://{note('token_server', spawn('token_server', tokens, r'listening on (127.0.0.1:[0-9]+)'))}/token"
    secured = {"ca": str(WORK / "ca.pem"), "user": USER, "password": PASSWORD}
    basic = {"htpasswd": {"realm": "material", "path": str(WORK / "htpasswd")}}
    bearer = {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(WORK / "token.pem")}}
    facts["plain"] = {"addr": note("plain", registry("plain", tls=False))}
    facts["tls"] = {"addr": note("tls", registry("tls")), "ca": secured["ca"]}
    facts["basic"] = {"addr": note("basic", registry("basic", auth=basic)), **secured}
    facts["token"] = {
        "addr": note("token", registry("token", auth=bearer)),
        **secured,
        "realm": realm,
        "anonymous": "busybox",
        "late_user": "late",
    }
    note("token", (facts["pids"]["token"], facts["token"]["addr"]))


def stop():
    """Ends exactly the processes that `start` noted, and waits for them."""
    facts = known()
    for pid in living(facts).values():
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while left := living(facts):
        if time.monotonic() > deadline:
            for pid in left.values():
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    FACTS.unlink(missing_ok=True)


def status():
    facts = known()
    alive = living(facts)
    for name in facts["pids"]:
        print(name, facts.get(name, {}).get("addr", "-"), "runs" if name in alive else "is gone")
    sys.exit(0 if facts["pids"] and len(alive) == len(facts["pids"]) else 1)


def main():
    verbs = {"start": start, "stop": stop, "status": status}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        raise SystemExit("usage: serve.sh start|stop|status")
    MATERIAL.mkdir(parents=True, exist_ok=True)
    # Two test runs may start at once; Python's descriptors are close-on-exec, so no server keeps the lock.
    with open(MATERIAL / "serve.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        verbs[sys.argv[1]]()


main()
