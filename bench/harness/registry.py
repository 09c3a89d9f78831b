"""A loopback registry over the images of tests/material, and a root file system from it for floor, crun and runc."""
from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path

from . import machine
from .sample import Failed

PROJECT = Path(__file__).resolve().parents[2]
MATERIAL = Path(os.environ.get("MATERIAL", PROJECT / "target/material"))
# What build.sh has to be asked for so that these can be pulled; `base` is below the servers.
IMAGES = ["busybox", "nginx", "postgres", "redis", "python", "files50k", "layers"]
TAGS = ["latest", "zstd"]
START_LIMIT_S = 20
ACCEPT = ", ".join([
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"])


def build(images: list[str]) -> None:
    """Has the images made that are not there yet: minutes the first time, nothing after that."""
    missing = [name for name in images if not (MATERIAL / "storage/docker/registry/v2/repositories" / name).exists()]
    if missing:
        base = ["base"] if set(missing) & {"nginx", "postgres", "redis", "python"} else []
        subprocess.run([PROJECT / "tests/material/build.sh", *base, *missing], check=True)


class Registry:
    def __init__(self, work: Path, storage: Path = MATERIAL / "storage"):
        self.home = work / "registry"
        self.storage = storage
        self.server: subprocess.Popen | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"

    def start(self) -> None:
        if not shutil.which("docker-registry"):
            raise Failed(f"docker-registry is not installed; {machine.hint()}")
        self.home.mkdir()
        config = {"version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
                  "storage": {"filesystem": {"rootdirectory": str(self.storage)},
                              "maintenance": {"readonly": {"enabled": True}}},
                  "http": {"addr": self.address}}
        (self.home / "config.yml").write_text(json.dumps(config))  # JSON is YAML.
        log = open(self.home / "log", "w")
        self.server = subprocess.Popen(["docker-registry", "serve", str(self.home / "config.yml")],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                self._get("")
                return
            except OSError as error:
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"can't start docker-registry: {error}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        if self.server:
            self.server.terminate()
            self.server.wait()

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(f"http://{self.address}/v2/{path}", headers={"Accept": ACCEPT})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.read()

    def manifest(self, reference: str) -> dict:
        name, tag = reference.rsplit(":", 1)
        return json.loads(self._get(f"{name}/manifests/{tag}"))

    def has(self, reference: str) -> bool:
        try:
            return bool(self.manifest(reference))
        except OSError:
            return False

    def size_mib(self, reference: str) -> float:
        """What has to be transferred for the layers."""
        return sum(layer["size"] for layer in self.manifest(reference)["layers"]) / 2**20

    def unpack(self, reference: str, target: Path) -> None:
        """Unpacks an image without whiteouts and with gzip layers: busybox."""
        name = reference.rsplit(":", 1)[0]
        target.mkdir()
        for layer in self.manifest(reference)["layers"]:
            blob = io.BytesIO(self._get(f"{name}/blobs/{layer['digest']}"))
            with tarfile.open(fileobj=blob) as archive:
                archive.extractall(target)  # Made on this machine by build.sh: trusted.
