"""Start latency: `run --rm IMAGE true` with the image present, in every engine, beside the floor."""
from __future__ import annotations

from pathlib import Path

from . import bundle, floor
from .sample import Command, Failed, Row, interleave
from .session import Session
from .table import failed, left_note, number, ratio, table

IMAGE = "busybox:latest"


def report(session: Session, rounds: int) -> str:
    """Prepares every engine's store once, then measures network none and host."""
    reference = f"{session.registry.address}/{IMAGE}"
    rootfs = session.work / "rootfs"
    session.registry.unpack(IMAGE, rootfs)
    prepared = {name: prepare(session, name, command) for name, command in stores(session, reference)}
    try:
        spec, donor = bundle.donated_spec(session.docker, session.podman, session.work / "start-podman", reference)
    except Failed as failure:
        spec, donor = None, str(failure)

    text = []
    for network in ("none", "host"):
        rows = floor.rows(session.floor, rootfs, session.work, network, session.cgroup)
        rows += engine_rows(session, network, reference, prepared)
        rows += bundle_rows(session, network, rootfs, spec, donor)
        session.say(f"start, network {network}: {rounds} rounds of {len(rows)} rows")
        interleave(rows, rounds, session.meter)
        text.append(f"### Start, `--network {network}`\n\n{start_table(rows)}\n{left_note(rows)}")
    if spec:
        text.append(f"The bundle's `config.json` is {donor}, with our root file system and without its hooks.\n")
    return "\n".join(text)


def stores(session: Session, reference: str):
    """(engine, the command that puts the image into its store), for all that are here."""
    if session.isolazi:
        yield "isolazi", session.isolazi.command(session.work / "start-isolazi", "pull", reference)
    if session.isolazi_rootless:
        home = session.isolazi_rootless.home
        yield "isolazi rootless", session.isolazi_rootless.command(home / "store", "pull", reference)
    if session.podman:
        yield "podman", session.podman.command(session.work / "start-podman", "pull", "-q", reference)
    if session.podman_rootless:
        home = session.podman_rootless.home
        yield "podman rootless", session.podman_rootless.command(home / "store", "pull", "-q", reference)
    if session.docker:
        yield "docker", session.docker.command("pull", "-q", reference)


def prepare(session: Session, name: str, command) -> str:
    """Empty, or why there is no image to run."""
    try:
        session.meter.run(command)
        return ""
    except Failed as failure:
        session.say(f"{name}: can't pull {IMAGE}: {failure}")
        return f"pull: {failure}"


def engine_rows(session: Session, network: str, reference: str, prepared: dict[str, str]) -> list[Row]:
    rows = []

    def add(label: str, store: str, command) -> None:
        rows.append(Row(label, command, failure=prepared.get(store, "")))

    if session.isolazi:
        add("**isolazi**", "isolazi", session.isolazi.run(session.work / "start-isolazi", network, reference))
    if session.isolazi_rootless:
        engine = session.isolazi_rootless
        add("**isolazi**, rootless", "isolazi rootless", engine.run(engine.home / "store", network, reference))
    if session.podman:
        for runtime in session.runtimes:
            add(f"podman + {runtime}", "podman",
                session.podman.run(session.work / "start-podman", network, reference, runtime))
    if session.podman_rootless:
        engine = session.podman_rootless
        add("podman, rootless", "podman rootless", engine.run(engine.home / "store", network, reference))
    if session.docker:
        add("docker", "docker", session.docker.command("run", "--rm", "--network", network, reference, "true"))
    rows += [Row(name, None, failure=reason) for name, reason in session.missing.items()
             if name in ("isolazi", "isolazi, rootless", "podman", "docker")]
    return rows


def bundle_rows(session: Session, network: str, rootfs: Path, spec: dict | None, donor: str) -> list[Row]:
    """crun and runc alone: no image, no store, no log; a bundle that is ready."""
    rows = []
    for runtime in session.runtimes:
        if not spec:
            rows.append(Row(f"{runtime} run, bundle", None, failure=donor))
            continue
        folder = session.work / f"bundle-{runtime}-{network}"
        bundle.write(folder, spec, rootfs, network, f"/{session.cgroup.name}/{runtime}")
        state = session.work / f"state-{runtime}"
        rows.append(Row(f"{runtime} run, bundle",
                        Command([runtime, "--root", str(state), "run", "--bundle", str(folder), "bench"])))
    rows += [Row(f"{name} run, bundle", None, failure=reason) for name, reason in session.missing.items()
             if name in ("crun", "runc")]
    return rows


def start_table(rows: list[Row]) -> str:
    header = ["", "wall min ms", "median", "p95", "CPU ms", "peak MiB", "wall ÷ floor", "CPU ÷ floor", "wall ÷ isolazi"]
    by_label = {row.label: row for row in rows if row.samples and not row.failure}
    base, ours = by_label.get(floor.REFERENCE), by_label.get("**isolazi**")
    lines = []
    for row in rows:
        if row.failure:
            lines.append(failed(row, len(header)))
            continue
        lines.append([row.label, number(row.wall[0]), number(row.wall_median), number(row.wall_p95),
                      number(row.cpu_median), number(row.rss_peak),
                      ratio(row.wall_median, base.wall_median) if base else "–",
                      ratio(row.cpu_median, base.cpu_median) if base else "–",
                      ratio(row.wall_median, ours.wall_median) if ours else "–"])
    return table(header, lines)
