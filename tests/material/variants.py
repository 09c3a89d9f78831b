#!/usr/bin/env python3
"""variants.py LAYOUT VARIANT...: the image `latest` again under other tags: `zstd`, `plain` (uncompressed), `docker`
(Docker's schema 2 media types). Same config and diff IDs, so a store unpacks them to the same layers."""

import sys

from layout import (
    DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LIST, DOCKER_MANIFEST, INDEX, Layout,
)

COMPRESSORS = {"zstd": (["zstd", "-q", "-6", "-T2"], "+zstd"), "plain": (["cat"], "")}


def variant(layout, descriptor, kind):
    document = layout.read_json(descriptor)
    if descriptor["mediaType"] == INDEX:
        entries = []
        for entry in document["manifests"]:
            entries.append({**variant(layout, entry, kind), "platform": entry["platform"]})
        return layout.index(entries, DOCKER_LIST if kind == "docker" else INDEX)
    config, layers = document["config"], document["layers"]
    if kind == "docker":
        # umoci and we write OCI manifests with gzip layers: only the names differ.
        config = {**config, "mediaType": DOCKER_CONFIG}
        layers = [{**layer, "mediaType": DOCKER_LAYER} for layer in layers]
        return layout.manifest(config, layers, DOCKER_MANIFEST)
    command, suffix = COMPRESSORS[kind]
    return layout.manifest(config, [layout.recompressed(layer, command, suffix) for layer in layers])


def main():
    layout = Layout(sys.argv[1])
    latest = layout.tags()["latest"]
    for kind in sys.argv[2:]:
        layout.tag(kind, variant(layout, latest, kind))


main()
