"""OCI runtimes by themselves, with one bundle: `run`, `create` + `start` + `delete`, `exec`, and many at a time.

The bundle is the default specification (`runc spec`) with Docker's seccomp profile and limits. Everything that a
runtime keeps lies in a folder of its own on tmpfs, where runtimes have it (`/run`).
"""
from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import bundle, floor
from .sample import Command, Failed, Row, interleave
from .session import Session
from .start import IMAGE
from .table import failed, left_note, number, table

MEMORY_BYTES = 512 << 20
CPU_PERIOD_US = 100_000
PIDS = 1024
LIMITS = {
    "memory": {"limit": MEMORY_BYTES},
    "cpu": {"shares": 1024, "quota": 2 * CPU_PERIOD_US, "period": CPU_PERIOD_US},
    "pids": {"limit": PIDS},
}
# Many at a time: so many containers, by so many callers.
CONTAINERS, CALLERS = 200, 8
ROUNDS_OF_ONE_OF_MANY = 20  # It takes that much longer.
SETUP_LIMIT_S = 30
REFERENCE = "crun"


@dataclass(frozen=True)
class Runtime:
    """A runtime with a folder of states and bundles of its own."""
    label: str
    words: list[str]
    folder: Path
    # What its containers' names begin with, and so, for want of a `cgroupsPath`, those of their cgroups.
    name: str

    def argv(self, *words: str) -> list[str]:
        return [*self.words, "--root", str(self.folder / "states"), *words]

    def run(self) -> list[str]:
        return self.argv("run", "--bundle", str(self.folder / "true"), self.name)

    def life(self, suffix: str = "") -> list[str]:
        """Three commands, for `measure -s`."""
        name = self.name + suffix
        return [*self.argv("create", "--bundle", str(self.folder / "true"), name), "--",
                *self.argv("start", name), "--", *self.argv("delete", name)]


def report(session: Session, rounds: int) -> str:
    rootfs = session.work / "oci-rootfs"
    session.registry.unpack(IMAGE, rootfs)
    try:
        spec, donor = specification(session)
    except Failed as failure:
        return f"### OCI runtimes, one bundle\n\nNot measured: {failure}.\n"
    runtimes = [make(session, label, words, spec, rootfs) for label, words in candidates(session)]
    parts = [
        ("`run` of `/bin/true`", measured(session, rounds, [
            *floor.oci_rows(session.floor, rootfs, session.work, session.cgroup),
            *[Row(r.label, Command(r.run())) for r in runtimes]])),
        ("`create`, `start`, the payload's end, `delete`", measured(session, rounds, [
            Row(r.label, Command(r.life(), several=True)) for r in runtimes])),
        ("`exec` of `/bin/true` in a container that runs", measured_exec(session, rounds, runtimes, spec, rootfs)),
    ]
    text = [f"### OCI runtimes, one bundle\n\nThe default specification with {donor} seccomp profile and limits of "
            f"memory, processor time and processes. {rounds} rounds.\n"]
    text += [f"#### {title}\n\n{runtime_table(rows)}\n{left_note(rows)}" for title, rows in parts]
    text.append(f"#### {CONTAINERS} containers by {CALLERS} callers\n\n{many(session, rounds, runtimes)}\n")
    return "\n".join(text)


def candidates(session: Session):
    """(label, how its command line begins)"""
    yield from ((name, [name]) for name in session.runtimes)
    more = os.environ.get("BENCH_RUNTIME")
    if more:
        yield f"`{Path(more).name}` of `$BENCH_RUNTIME`", [more]
    if session.isolazi:
        yield "**isolazi**", [str(session.isolazi.binary), "oci"]


def specification(session: Session) -> tuple[dict, str]:
    """The default specification, with the seccomp profile that docker (or podman) gives to a runtime."""
    reference = f"{session.registry.address}/{IMAGE}"
    for engine, store in ((session.docker, None), (session.podman, session.work / "start-podman")):
        if engine:
            words = ("pull", "-q", reference)
            session.meter.run(engine.command(store, *words) if store else engine.command(*words))
            break
    donated, donor = bundle.donated_spec(session.docker, session.podman, session.work / "start-podman", reference)
    folder = session.work / "oci-spec"
    folder.mkdir()
    made = subprocess.run(["runc", "spec"], cwd=folder, capture_output=True, text=True)
    if made.returncode:
        raise Failed("`runc spec` does not work here")
    spec = json.loads((folder / "config.json").read_text())
    spec["process"].update(terminal=False, args=["/bin/true"])
    spec["linux"]["seccomp"] = donated["linux"]["seccomp"]
    spec["linux"]["resources"].update(LIMITS)
    return spec, donor


def make(session: Session, label: str, words: list[str], spec: dict, rootfs: Path) -> Runtime:
    name = f"{session.cgroup.name}-{label.strip('*`').split('`')[0]}"
    folder = Path("/run") / name
    folder.mkdir()
    for kind, args in (("true", ["/bin/true"]), ("sleep", ["/bin/sleep", "1000000"])):
        (folder / kind).mkdir()
        copy = json.loads(json.dumps(spec))
        copy["root"]["path"] = str(rootfs)
        copy["process"]["args"] = args
        (folder / kind / "config.json").write_text(json.dumps(copy))
    return Runtime(label, words, folder, name)


def measured(session: Session, rounds: int, rows: list[Row]) -> list[Row]:
    session.say(f"oci: {rounds} rounds of {len(rows)} rows")
    interleave(rows, rounds, session.meter)
    return rows


def measured_exec(session: Session, rounds: int, runtimes: list[Runtime], spec: dict, rootfs: Path) -> list[Row]:
    rows = []
    for runtime in runtimes:
        row = Row(runtime.label, Command(runtime.argv("exec", runtime.name, "/bin/true")))
        # To files, not pipes: the payload keeps what it inherits.
        argv = runtime.argv("run", "--detach", "--bundle", str(runtime.folder / "sleep"), runtime.name)
        with open(runtime.folder / "output", "w+") as output:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=SETUP_LIMIT_S)
            output.seek(0)
            if done.returncode:
                row.failure = f"run --detach: {output.read().strip()[-200:]}"
        rows.append(row)
    try:
        return measured(session, rounds, rows)
    finally:
        for runtime in runtimes:
            subprocess.run(runtime.argv("delete", "--force", runtime.name), stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SETUP_LIMIT_S)


def runtime_table(rows: list[Row]) -> str:
    header = ["", "wall min ms", "median", "p95", "CPU ms", "peak MiB", f"wall ÷ {REFERENCE}", f"CPU ÷ {REFERENCE}",
              "wall ÷ floor", "CPU ÷ floor"]
    good = {row.label: row for row in rows if row.samples and not row.failure}
    base, ground = good.get(REFERENCE), good.get(floor.OCI_REFERENCE)
    lines = []
    for row in rows:
        if row.failure:
            lines.append(failed(row, len(header)))
            continue
        cells = [row.label, number(row.wall[0]), number(row.wall_median), number(row.wall_p95), number(row.cpu_median),
                 number(row.rss_peak)]
        for other in (base, ground):
            cells += [f"{row.wall_median / other.wall_median:.2f}", f"{row.cpu_median / other.cpu_median:.2f}"] \
                if other else ["–", "–"]
        lines.append(cells)
    return table(header, lines)


def many(session: Session, rounds: int, runtimes: list[Runtime]) -> str:
    """All containers, several times over, the runtimes in turn; medians."""
    rounds = max(1, rounds // ROUNDS_OF_ONE_OF_MANY)
    session.say(f"oci: {rounds} rounds of {CONTAINERS} containers by {CALLERS} callers")
    found: dict[str, list[dict]] = {runtime.label: [] for runtime in runtimes}
    for turn in range(rounds):
        for runtime in runtimes[turn % len(runtimes):] + runtimes[:turn % len(runtimes)]:
            found[runtime.label].append(session.meter.many(runtime.life("-%"), CONTAINERS, CALLERS))
    middle = {label: sorted(results, key=lambda r: r["wall_us"])[len(results) // 2] for label, results in found.items()}
    base = middle.get(REFERENCE)
    lines = [[label, str(sum(r["failed"] for r in found[label])), number(result["wall_us"] / 1e3),
              number(CONTAINERS / (result["wall_us"] / 1e6)), number(result["cpu_us"] / 1e3 / CONTAINERS),
              f"{base['wall_us'] / result['wall_us']:.2f}" if base else "–"] for label, result in middle.items()]
    return table(["", f"failed of {CONTAINERS * rounds}", "wall ms", "containers a second",
                  "CPU ms a container", f"throughput ÷ {REFERENCE}"], lines)
