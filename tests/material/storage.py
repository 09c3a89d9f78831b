#!/usr/bin/env python3
"""storage.py STORAGE LAYOUT...: a registry's storage folder (the distribution project's `filesystem` driver) made from
OCI layouts; the repository has the layout's name. Written directly, because a registry refuses to be pushed the
broken images that the tests want it to serve, and because hard links cost nothing.

docker/registry/v2/blobs/sha256/<2 hex>/<hex>/data
                   repositories/<name>/_layers/sha256/<hex>/link                      blob belongs to repository
                                       _manifests/revisions/sha256/<hex>/link         manifest belongs to repository
                                       _manifests/tags/<tag>/current/link             what the tag points to
"""

import os
import sys
from pathlib import Path

from layout import DOCKER_LIST, INDEX, Layout


def link(path, digest):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(digest)


def manifests(layout, descriptor):
    """The manifest and, below an index, every manifest it names."""
    yield descriptor["digest"]
    if descriptor["mediaType"] in (INDEX, DOCKER_LIST):
        for entry in layout.read_json(descriptor)["manifests"]:
            yield from manifests(layout, entry)


def store(root, layout):
    repository = root / "repositories" / layout.path.name
    for blob in (layout.path / "blobs/sha256").iterdir():
        data = root / "blobs/sha256" / blob.name[:2] / blob.name / "data"
        data.parent.mkdir(parents=True, exist_ok=True)
        if not data.exists():
            os.link(blob, data)
        link(repository / "_layers/sha256" / blob.name / "link", "sha256:" + blob.name)
    for tag, descriptor in layout.tags().items():
        for digest in manifests(layout, descriptor):
            link(repository / "_manifests/revisions" / digest.replace(":", "/") / "link", digest)
        digest = descriptor["digest"]
        link(repository / "_manifests/tags" / tag / "current/link", digest)
        link(repository / "_manifests/tags" / tag / "index" / digest.replace(":", "/") / "link", digest)


def main():
    for path in sys.argv[2:]:
        store(Path(sys.argv[1]) / "docker/registry/v2", Layout(path))


main()
