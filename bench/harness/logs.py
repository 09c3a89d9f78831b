"""What a log costs the payload that is logged, and how fast it is read again."""
from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from .sample import Command, Row
from .session import Session
from .start import IMAGE, prepare, stores
from .table import failed, number, ratio, table

MIB = 1024  # What the payload says.
NAME = "bench-log"
FILE, LOGGED, ROTATED = "`cat >file`", "`cat`, logged", "`cat`, logged and rotated"


def report(session: Session, rounds: int) -> str:
    session.say(f"logs: {rounds} rounds of {MIB} MiB")
    reference = f"{session.registry.address}/{IMAGE}"
    folder = session.work / "said"
    folder.mkdir()
    write_text(folder / "text")
    prepared = {name: prepare(session, name, command) for name, command in stores(session, reference)}
    turns = []  # (how the engine is called, a container's row, the row of reading what it said)
    for label, engine, failure in engines_of(session, prepared):
        for what, flags, script in containers_of(label):
            start = engine("run", "-d", "--network", "none", "--name", NAME, "-v", f"{folder}:/said:ro", *flags,
                           reference, *script)
            # Of the others measure.c sees the end itself: nothing goes on then that they left behind.
            end = engine("wait", NAME) if start.daemons else Command(["true"])
            row = Row(f"{label}: {what}", chain(start, end), failure=failure)
            read = Row(label, quietly(engine("logs", NAME)), failure=failure) if what == LOGGED else None
            turns.append((engine, row, read))
    for turn in range(rounds + 1):
        for engine, row, read in turns:
            for measured in filter(None, (row, read)):
                sample = measured.measure(session.meter)
                if sample and turn == 0:  # The first one warms up.
                    measured.samples.clear()
            remove(engine)
    (folder / "text").unlink()
    rows, reads = [row for _, row, _ in turns], [read for _, _, read in turns if read]
    return (f"### Logs\n\nA payload says {MIB} MiB of text, in lines of 40 to 160 bytes: from `run -d` to its end.\n\n"
            f"{throughput(rows, beside_file=True)}\n\n"
            f"`logs` of all that, to `/dev/null`.\n\n{throughput(reads, beside_file=False)}\n")


def containers_of(label: str):
    """(what it does, flags, command): what nobody logs, what is kept whole, what is kept when nobody says how."""
    cat = ["cat", "/said/text"]
    whole = ["--log-opt", "max-size=-1"] if "isolazi" in label else []
    yield FILE, [], ["sh", "-c", "cat /said/text >/file"]
    yield LOGGED, whole, cat
    if whole:
        yield ROTATED, [], cat


def engines_of(session: Session, prepared: dict[str, str]):
    """(label, how a command is made, why there is none)."""
    if session.isolazi:
        store = session.work / "start-isolazi"
        yield "**isolazi**", lambda *words: session.isolazi.command(store, *words), prepared.get("isolazi", "")
    if session.podman:
        yield "podman", podman(session), prepared.get("podman", "")
    if session.docker:
        yield "docker", lambda *words: session.docker.command(*words), prepared.get("docker", "")


def podman(session: Session):
    def command(*words: str) -> Command:
        parent = ["--cgroup-parent", f"/{session.cgroup.name}/podman"] if words[0] == "run" else []
        return session.podman.command(session.work / "start-podman", words[0], *parent, *words[1:])
    return command


def chain(first: Command, second: Command) -> Command:
    return Command([*first.argv, "--", *second.argv], first.env, first.user, first.daemons, several=True)


def quietly(command: Command) -> Command:
    return Command(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", *command.argv], command.env, command.user,
                   command.daemons)


def remove(engine) -> None:
    """The container goes, and the disk has nothing left to do for it when the next one begins."""
    command = engine("rm", "-f", NAME)
    subprocess.run(command.argv, env={"PATH": os.environ["PATH"], **command.env}, capture_output=True)
    os.sync()


def throughput(rows: list[Row], beside_file: bool) -> str:
    header = ["", "wall min s", "median", "CPU s", "MiB/s"] + (["÷ its `cat >file`"] if beside_file else [])
    lines, base = [], None
    for row in rows:
        if row.failure:
            lines.append(failed(row, len(header)))
            continue
        if FILE in row.label:
            base = row.wall_median
        line = [row.label, number(row.wall[0] / 1e3), number(row.wall_median / 1e3), number(row.cpu_median / 1e3),
                number(MIB * 1e3 / row.wall_median)]
        lines.append(line + ([ratio(base, row.wall_median) if base else "–"] if beside_file else []))
    return table(header, lines)


def write_text(path: Path) -> None:
    """Words, the same each time: a block of 1 MiB, again and again."""
    chance = random.Random(1)
    words = ["GET", "/index.html", "200", "connection", "from", "10.0.0.7", "closed", "after", "0.013", "s", "user=42"]
    block = ""
    while len(block) < 1 << 20:
        line, wanted = "", chance.randint(40, 160)
        while len(line) < wanted:
            line += chance.choice(words) + " "
        block += line[:wanted - 1] + "\n"
    with open(path, "wb") as file:
        for _ in range(MIB):
            file.write(block.encode()[: 1 << 20])
