"""OCI image layouts, written by hand where Debian's tools cannot: zstd layers, Docker media types, broken images.

<layout>/oci-layout, index.json (one descriptor per tag), blobs/sha256/<hex>. Blobs are only ever added.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
TAG = "org.opencontainers.image.ref.name"


class Layout:
    def __init__(self, path):
        self.path = Path(path)
        (self.path / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        marker = self.path / "oci-layout"
        if not marker.exists():
            marker.write_text('{"imageLayoutVersion": "1.0.0"}')
            self._write_index([])

    def _index(self):
        return json.loads((self.path / "index.json").read_text())["manifests"]

    def _write_index(self, manifests):
        aside = self.path / "index.json.new"
        aside.write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}, indent=1))
        aside.rename(self.path / "index.json")

    def tags(self):
        """Tag to descriptor."""
        return {d["annotations"][TAG]: d for d in self._index() if TAG in d.get("annotations", {})}

    def tag(self, name, descriptor):
        kept = [d for d in self._index() if d.get("annotations", {}).get(TAG) != name]
        plain = {key: value for key, value in descriptor.items() if key != "annotations"}
        self._write_index(kept + [{**plain, "annotations": {TAG: name}}])

    def blob_path(self, digest):
        return self.path / "blobs" / digest.replace(":", "/")

    def read(self, descriptor):
        return self.blob_path(descriptor["digest"]).read_bytes()

    def read_json(self, descriptor):
        return json.loads(self.read(descriptor))

    def add(self, media_type, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blob_path(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_json(self, media_type, document):
        return self.add(media_type, json.dumps(document, indent=1).encode())

    def add_file(self, media_type, path):
        """Adds a file that may be large; a hard link where possible."""
        hasher = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
        digest = "sha256:" + hasher.hexdigest()
        target = self.blob_path(digest)
        if not target.exists():
            try:
                os.link(path, target)
            except OSError:
                shutil.copyfile(path, target)
        return {"mediaType": media_type, "digest": digest, "size": target.stat().st_size}

    def import_blobs(self, other):
        """Makes every blob of another layout present here."""
        for blob in (other.path / "blobs/sha256").iterdir():
            target = self.path / "blobs/sha256" / blob.name
            if not target.exists():
                os.link(blob, target)

    def image(self, config, layers):
        """Adds a manifest for a config document and layer descriptors."""
        return self.manifest(self.add_json(CONFIG, config), layers)

    def manifest(self, config, layers, media_type=MANIFEST):
        return self.add_json(
            media_type, {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
        )

    def index(self, entries, media_type=INDEX):
        return self.add_json(media_type, {"schemaVersion": 2, "mediaType": media_type, "manifests": entries})

    def gzip_layer(self, tar):
        """Adds the bytes of a tar archive as a gzip layer; returns its descriptor and diff ID."""
        layer = self.add(TAR + "+gzip", gzip.compress(tar, 6, mtime=0))
        return layer, "sha256:" + hashlib.sha256(tar).hexdigest()

    def recompressed(self, layer, command, suffix):
        """The same layer through a compressor reading stdin and writing stdout."""
        with tempfile.TemporaryDirectory(dir=self.path) as folder:
            out = Path(folder) / "blob"
            with gzip.open(self.blob_path(layer["digest"])) as source, open(out, "wb") as sink:
                with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink) as child:
                    shutil.copyfileobj(source, child.stdin, 1 << 20)
                    child.stdin.close()
                if child.returncode:
                    raise SystemExit(f"{command} failed: {child.returncode}")
            return self.add_file(TAR + suffix, out)
