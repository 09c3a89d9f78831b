"""token_server.py FOLDER SERVICE ISSUER: the authorization server of a registry's Bearer flow, as the distribution
project specifies it (docs: auth/token, auth/jwt). GET /token?service=…&scope=repository:NAME:ACTIONS with Basic auth or
without; answers a JWT (RS256) that grants what the account may do.

Anonymous users may pull `busybox` and nothing else: for other scopes they get a token that grants nothing, as Docker
Hub does, and the registry answers 401. Accounts (FOLDER/accounts.json) may pull everything. One line of JSON per
request on stdout says who asked for what."""

import base64
import http.server
import json
import secrets
import ssl
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

FOLDER, SERVICE, ISSUER = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
ACCOUNTS = json.loads((FOLDER / "accounts.json").read_text())
ANONYMOUS_REPOSITORY, ANONYMOUS_EXPIRY = "busybox", 300
CERTIFICATE = base64.b64encode(ssl.PEM_cert_to_DER_cert((FOLDER / "token.pem").read_text())).decode()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims):
    header = {"typ": "JWT", "alg": "RS256", "x5c": [CERTIFICATE]}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    command = ["openssl", "dgst", "-sha256", "-sign", str(FOLDER / "token.key")]
    signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    return f"{text}.{base64url(signature)}"


def access(scopes, account):
    granted = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        allowed = kind == "repository" and (account is not None or name == ANONYMOUS_REPOSITORY)
        if allowed and "pull" in actions.split(","):
            granted.append({"type": kind, "name": name, "actions": ["pull"]})
    return granted


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        # Here and not in accept(): a client that never finishes its handshake must not stop the others.
        self.request.settimeout(30)
        self.request.do_handshake()
        super().setup()

    def account(self):
        """The account's name, None for nobody, False for wrong credentials."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if not kind:
            return None
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return False
        right = kind.lower() == "basic" and name in ACCOUNTS and ACCOUNTS[name]["password"] == password
        return name if right else False

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        scopes = [scope for value in query.get("scope", []) for scope in value.split(" ")]
        account = self.account()
        print(json.dumps({"path": url.path, "account": account, "scopes": scopes}), flush=True)
        if url.path != "/token" or query.get("service") != [SERVICE]:
            return self.answer(404, {"errors": [{"code": "NOT_FOUND", "message": "no such service"}]})
        if account is False:
            return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]})
        expiry = ACCOUNTS[account]["expiry"] if account else ANONYMOUS_EXPIRY
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": account or "", "aud": SERVICE, "jti": secrets.token_hex(8), "iat": now,
                  "nbf": min(now, now + expiry) - 5, "exp": now + expiry, "access": access(scopes, account)}
        self.answer(200, {"token": sign(claims), "expires_in": expiry,
                          "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="material"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("listening on 127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
