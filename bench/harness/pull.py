"""Pull of each test image from the loopback registry into an empty store, unpacked and ready to run."""
from __future__ import annotations

import os
import shlex
import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .machine import disk_mib
from .registry import IMAGES, TAGS
from .sample import Command, Row
from .session import Session
from .table import failed, number, ratio, table


@dataclass
class Puller:
    """An engine: how it pulls `reference` into `store`, where that store is on disk, and how it gets empty again."""
    label: str
    pull: Callable[[Path, str], Command]
    disk: Callable[[Path], Path]
    empty: Callable[[Path, str], None]


@dataclass
class Line:
    puller: Puller
    row: Row
    disk: list[float] = field(default_factory=list)


def report(session: Session, rounds: int, images: list[str] | None = None) -> str:
    engines = pullers(session)
    text = ["### Pull into an empty store\n"]
    for tag in TAGS:
        for name in images or IMAGES:
            reference = f"{name}:{tag}"
            if not session.registry.has(reference):
                text.append(f"**{reference}**: not in the registry\n")
                continue
            session.say(f"pull {reference}: {rounds} rounds")
            layers = len(session.registry.manifest(reference)["layers"])
            text.append(f"**{reference}** ({session.registry.size_mib(reference):.1f} MiB in {layers} layer{'s' * (layers > 1)})\n")
            lines = measure(session, engines, f"{session.registry.address}/{reference}", rounds)
            missing = [Row(name, None, failure=session.missing[name]) for name in ("isolazi", "podman", "docker")
                       if name in session.missing]
            text.append(pull_table(lines, missing) + "\n")
    return "\n".join(text)


def pullers(session: Session) -> list[Puller]:
    def remove(store: Path, reference: str) -> None:
        shutil.rmtree(store, ignore_errors=True)

    found = []
    if session.isolazi:
        found.append(Puller("**isolazi**", lambda store, ref: session.isolazi.command(store, "pull", ref),
                            lambda store: store, remove))
    if session.podman:
        found.append(Puller("podman", lambda store, ref: session.podman.command(store, "pull", "-q", ref),
                            lambda store: store, remove))
    if session.docker:
        docker = session.docker
        found.append(Puller("docker", lambda store, ref: docker.command("pull", "-q", ref),
                            lambda store: docker.data, lambda store, ref: docker.forget(ref)))
    if session.has_skopeo:
        found.append(Puller("skopeo + umoci", skopeo_umoci, lambda store: store, remove))
    return found


def skopeo_umoci(store: Path, reference: str) -> Command:
    """Two programs, one after the other: blobs into an OCI layout, layers into a bundle."""
    layout, rootfs = shlex.quote(f"{store}/layout:x"), shlex.quote(f"{store}/bundle")
    source = shlex.quote(f"docker://{reference}")
    script = (f"mkdir {shlex.quote(str(store))} && "
              f"skopeo copy -q --insecure-policy --src-tls-verify=false {source} oci:{layout} && "
              f"exec umoci unpack --image {layout} {rootfs}")
    return Command(["sh", "-c", script], {"HOME": str(store.parent)})


def measure(session: Session, engines: list[Puller], reference: str, rounds: int) -> list[Line]:
    """Each round pulls with every engine, each time beginning at another; the disk is idle before each pull."""
    lines = []
    store = session.work / "pull-store"
    for engine in engines:
        lines.append(Line(engine, Row(engine.label, engine.pull(store, reference))))
        engine.empty(store, reference)  # The start table may have left this image in docker's only store.
    for number_of_round in range(rounds):
        turn = number_of_round % len(lines) if lines else 0
        for line in lines[turn:] + lines[:turn]:
            before = disk_mib(line.puller.disk(store))
            os.sync()
            if line.row.measure(session.meter):
                line.disk.append(disk_mib(line.puller.disk(store)) - before)
            line.puller.empty(store, reference)
    return lines


def pull_table(lines: list[Line], missing: list[Row]) -> str:
    header = ["", "wall min ms", "median", "CPU ms", "peak MiB", "disk MiB", "wall ÷ isolazi"]
    ours = next((line.row.wall_median for line in lines if line.row.label == "**isolazi**" and not line.row.failure), 0)
    cells = []
    for line in lines:
        row = line.row
        if row.failure:
            cells.append(failed(row, len(header)))
            continue
        cells.append([row.label, number(row.wall[0]), number(row.wall_median), number(row.cpu_median),
                      number(row.rss_peak), number(statistics.median(line.disk)), ratio(row.wall_median, ours)])
    return table(header, cells + [failed(row, len(header)) for row in missing])
