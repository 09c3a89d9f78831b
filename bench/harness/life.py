"""The life of containers: what each command of it costs, many containers at once, and what an idle one keeps.

Every engine has the same containers with the same names; what a command needs before and leaves behind is made and
removed outside of the measured time.
"""
from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .sample import Command, Failed, Row
from .session import Session
from .start import IMAGE, prepare, stores
from .table import failed, number, ratio, table

NAME = "bench-life"
SLEEP = ["sleep", "1000000"]
# Ends by itself when it is asked to.
POLITE = ["sh", "-c", "trap 'exit 0' TERM; touch /ready; sleep 1000000 & wait"]
LISTED, LISTED_BY_US = 200, 1000
MANY, CALLERS = 50, 8
IDLE, MOST_IDLE = 10, 500
READY_LIMIT_S, READY_POLL_S = 30, 0.01
SETTLE_S = 3  # Until what only a start needs is given back.


@dataclass(frozen=True)
class Engine:
    label: str
    command: Callable[..., Command]
    reference: str
    # Options that every container of it has.
    flags: list[str]

    def container(self, verb: str, *flags: str, argv: list[str]) -> Command:
        return self.command(verb, "--network", "none", *self.flags, *flags, self.reference, *argv)

    def do(self, command: Command, check: bool = True) -> str:
        done = subprocess.run(command.argv, env=environment(command), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        if check and done.returncode:
            raise Failed(f"`{' '.join(command.argv[-4:])}`: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}")
        return done.stdout

    def remove(self, *names: str) -> None:
        self.do(self.command("rm", "-f", *names), check=False)


@dataclass(frozen=True)
class Act:
    """What is measured, with what comes before and after it."""
    title: str
    before: Callable[[Engine], None]
    command: Callable[[Engine], Command]
    after: Callable[[Engine], None]


def environment(command: Command) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **command.env}


def report(session: Session, rounds: int) -> str:
    reference = f"{session.registry.address}/{IMAGE}"
    prepared = {name: prepare(session, name, command) for name, command in stores(session, reference)}
    engines = [engine for engine, failure in engines_of(session, reference, prepared) if not failure]
    text = ["### The life of containers\n\nWith `--network none`, image present; medians, and how many times "
            "isolazi's.\n"]
    text += [acts(session, engines, rounds), listed(session, engines, rounds), many(session, engines),
             idle(session, engines)]
    return "\n".join(text)


def engines_of(session: Session, reference: str, prepared: dict[str, str]):
    if session.isolazi:
        store = session.work / "start-isolazi"
        yield Engine("**isolazi**", lambda *words: session.isolazi.command(store, *words), reference, []), \
            prepared.get("isolazi", "")
    if session.podman:
        store, parent = session.work / "start-podman", ["--cgroup-parent", f"/{session.cgroup.name}/podman"]
        yield Engine("podman", lambda *words: session.podman.command(store, *words), reference, parent), \
            prepared.get("podman", "")
    if session.docker:
        yield Engine("docker", lambda *words: session.docker.command(*words), reference, []), prepared.get("docker", "")


def nothing(_engine: Engine) -> None:
    pass


def remove_one(engine: Engine) -> None:
    engine.remove(NAME)


def ended(engine: Engine) -> None:
    engine.do(engine.command("wait", NAME), check=False)
    engine.remove(NAME)


def sleeping(engine: Engine) -> None:
    engine.do(engine.container("run", "-d", "--name", NAME, argv=SLEEP))


def polite(engine: Engine) -> None:
    engine.do(engine.container("run", "-d", "--name", NAME, argv=POLITE))
    deadline = time.monotonic() + READY_LIMIT_S
    asks = engine.command("exec", NAME, "test", "-e", "/ready")
    while subprocess.run(asks.argv, env=environment(asks), capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise Failed("the payload is never ready")
        time.sleep(READY_POLL_S)


def created(engine: Engine) -> None:
    engine.do(engine.container("create", "--name", NAME, argv=["true"]))


ACTS = [
    Act("`run true`", nothing, lambda e: e.container("run", "--name", NAME, argv=["true"]), remove_one),
    Act("`run -d true`", nothing, lambda e: e.container("run", "-d", "--name", NAME, argv=["true"]), ended),
    Act("`create`", nothing, lambda e: e.container("create", "--name", NAME, argv=["true"]), remove_one),
    Act("`start`", created, lambda e: e.command("start", NAME), ended),
    Act("`exec true`", sleeping, lambda e: e.command("exec", NAME, "true"), remove_one),
    Act("`stop`, SIGTERM handled", polite, lambda e: e.command("stop", NAME), remove_one),
    Act("`rm -f` of one that runs", sleeping, lambda e: e.command("rm", "-f", NAME), remove_one),
    Act("`inspect`", created, lambda e: e.command("inspect", NAME), remove_one),
]


def acts(session: Session, engines: list[Engine], rounds: int) -> str:
    session.say(f"life: {rounds} rounds of {len(ACTS)} commands")
    lines = []
    for act in ACTS:
        rows = [(engine, Row(engine.label, act.command(engine))) for engine in engines]
        for turn in range(rounds + 1):
            for engine, row in rows[turn % len(rows):] + rows[:turn % len(rows)]:
                measure_once(session, engine, act, row)
                if turn == 0:  # The first one warms up.
                    row.samples.clear()
        lines += lines_of(act.title, [row for _, row in rows])
    return command_table(lines)


def measure_once(session: Session, engine: Engine, act: Act, row: Row) -> None:
    if row.failure:
        return
    try:
        act.before(engine)
    except Failed as failure:
        row.failure = str(failure)
    row.measure(session.meter)
    act.after(engine)


def listed(session: Session, engines: list[Engine], rounds: int) -> str:
    """`ps -a` with many containers, beside what it costs to start the program."""
    session.say(f"life: `ps -a` with {LISTED} containers, and with {LISTED_BY_US}")
    lines = []
    for count in (LISTED, LISTED_BY_US):
        chosen = [engine for engine in engines if count == LISTED or "isolazi" in engine.label]
        rows = []
        for engine in chosen:
            rows.append(Row(engine.label, engine.command("ps", "-a")))
            for name in names(count):
                engine.do(engine.container("create", "--name", name, argv=["true"]))
        versions = [Row(f"{row.label} `version`", engine.command("version")) for engine, row in zip(chosen, rows)]
        for turn in range(rounds + 1):
            for row in [*rows, *versions]:
                row.measure(session.meter)
                if turn == 0:
                    row.samples.clear()
        lines += lines_of(f"`ps -a`, {count} containers", rows) + lines_of(f"`version`, beside {count}", versions)
        for engine in chosen:
            engine.remove(*names(count))
    return command_table(lines)


def names(count: int) -> list[str]:
    return [f"{NAME}-{number}" for number in range(count)]


def lines_of(title: str, rows: list[Row]) -> list[list[str]]:
    base = next((row for row in rows if "isolazi" in row.label and row.samples and not row.failure), None)
    lines = []
    for row in rows:
        if row.failure:
            lines.append([title, *failed(row, 7)])
            continue
        lines.append([title, row.label.split(" `")[0], number(row.wall[0]), number(row.wall_median),
                      number(row.wall_p95), number(row.cpu_median), number(row.rss_peak),
                      ratio(row.wall_median, base.wall_median) if base else "–"])
    return lines


def command_table(lines: list[list[str]]) -> str:
    header = ["", "", "wall min ms", "median", "p95", "CPU ms", "peak MiB", "wall ÷ isolazi"]
    return table(header, lines) + "\n"


def many(session: Session, engines: list[Engine]) -> str:
    session.say(f"life: {MANY} containers, one after another and by {CALLERS} callers")
    lines = []
    for callers in (1, CALLERS):
        base = None
        for engine in engines:
            failures, seconds = start_many(engine, MANY, callers)
            engine.remove(*names(MANY))
            base = base or seconds
            lines.append([f"{MANY} by {callers}", engine.label, str(failures), number(seconds),
                          number(MANY / seconds), ratio(seconds, base)])
    header = ["`run -d sleep`", "", "failed", "s", "containers a second", "s ÷ isolazi"]
    return f"#### Many containers\n\n{table(header, lines)}\n"


def start_many(engine: Engine, count: int, callers: int) -> tuple[int, float]:
    """How many failed, and how long it took."""
    commands = [engine.container("run", "-d", "--name", name, argv=SLEEP) for name in names(count)]

    def start(command: Command) -> int:
        return subprocess.run(command.argv, env=environment(command), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode

    with ThreadPoolExecutor(callers) as pool:
        begin = time.monotonic()
        codes = list(pool.map(start, commands))
        return sum(code != 0 for code in codes), time.monotonic() - begin


def idle(session: Session, engines: list[Engine]) -> str:
    session.say(f"life: memory of {IDLE} idle containers, and of {MOST_IDLE}")
    lines = []
    for count in (IDLE, MOST_IDLE):
        for engine in engines:
            if count == MOST_IDLE and "isolazi" not in engine.label:
                continue
            before = memory_mib(engine)
            failures, _ = start_many(engine, count, CALLERS)
            time.sleep(SETTLE_S)
            running = engine.do(engine.command("ps", "-q")).split()
            after = memory_mib(engine)
            engine.remove(*names(count))
            lines.append([engine.label, str(len(running)), str(failures), number((after - before) / count),
                          number(after / count)])
    header = ["", "containers", "failed", "MiB for each", "with what runs without any, MiB for each"]
    return (f"#### Memory of idle containers\n\nProportional set size (`Pss` of `/proc/*/smaps_rollup`) of all processes "
            f"but the payloads.\n\n{table(header, lines)}\n")


# By their names, as the kernel has them.
BESIDE_PAYLOADS = {
    "**isolazi**": ("isolazi:monitor", "isolazi"),
    "podman": ("conmon", "podman"),
    "docker": ("containerd-shim", "dockerd", "containerd"),
}


def memory_mib(engine: Engine) -> float:
    """The pid namespace is ours: all processes in it that have such a name belong to the engine."""
    total_kib = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() in BESIDE_PAYLOADS[engine.label]:
                rollup = (folder / "smaps_rollup").read_text()
                total_kib += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # It ended meanwhile.
    return total_kib / 1024
