"""One measured run of a command, and what many of them say together.

The measuring itself is done by measure.c; this file starts it and reads its answer.
"""
from __future__ import annotations

import json
import os
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

LIMIT_S = 300  # A single run or pull that takes longer is reported as failed.


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int


def runtime_dir(user: User | None) -> dict[str, str]:
    """What a login would have set and made for an ordinary user; root has none."""
    if user is None:
        return {}
    path = Path(f"/run/user/{user.uid}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(path, user.uid, user.gid)
    return {"XDG_RUNTIME_DIR": str(path)}


@dataclass(frozen=True)
class Command:
    """What to run. `daemons` is set where other processes do the work for it (docker)."""
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    user: User | None = None
    daemons: object | None = None
    several: bool = False  # `argv` is several commands, one after the other, with `--` between them.


@dataclass(frozen=True)
class Sample:
    wall_ms: float
    cpu_ms: float
    rss_mib: float
    left: int


class Failed(Exception):
    """A command that did not do what it was measured for; the text is its last line."""


class Meter:
    def __init__(self, program: Path, work: Path):
        self.program = program
        self.output = work / "output"

    def run(self, command: Command) -> Sample:
        """Measures one run; raises Failed unless it exits with 0."""
        argv = [str(self.program), "-o", str(self.output), "-t", str(LIMIT_S)]
        if command.user:
            argv += ["-u", f"{command.user.uid}:{command.user.gid}"]
        if command.daemons:
            argv += ["-g", str(command.daemons.cgroup)]
            command.daemons.begin()
        if command.several:
            argv.append("-s")
        result = self._measure(argv + command.argv, command.env)
        if result["exit"]:
            raise Failed(f"exit {result['exit']}: {self._last_line()}")
        cpu_ms, rss_mib = result["cpu_us"] / 1e3, result["rss_kib"] / 1024
        if command.daemons:
            cpu_ms, daemon_rss_mib = command.daemons.end()
            rss_mib = max(rss_mib, daemon_rss_mib)
        return Sample(result["wall_us"] / 1e3, cpu_ms, rss_mib, result["left"])

    def many(self, argv: list[str], times: int, callers: int) -> dict:
        """The same commands so many times, by several callers side by side; failures are counted, not raised."""
        flags = ["-o", str(self.output), "-t", str(LIMIT_S), "-s", "-n", str(times), "-j", str(callers)]
        return self._measure([str(self.program), *flags, *argv], {})

    @staticmethod
    def _measure(argv: list[str], env: dict[str, str]) -> dict:
        done = subprocess.run(argv, env={"PATH": os.environ["PATH"], **env}, cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr.strip() or f"measure exited with {done.returncode}")
        return json.loads(done.stdout)

    def _last_line(self) -> str:
        lines = [line.strip() for line in self.output.read_text(errors="replace").splitlines() if line.strip()]
        # Docker ends with "See 'docker run --help'."; isolazi with a hint. Neither is the cause.
        lines = [line for line in lines if not line.startswith(("See '", "hint:"))]
        return lines[-1][:200] if lines else "it said nothing"


@dataclass
class Row:
    """One line of a table: a label, how to run it, and what was measured so far."""
    label: str
    command: Command | None
    failure: str = ""
    samples: list[Sample] = field(default_factory=list)

    def measure(self, meter: Meter) -> Sample | None:
        """Adds a sample; after a failure the row stays as it is and says why."""
        if self.failure or self.command is None:
            return None
        try:
            self.samples.append(meter.run(self.command))
        except Failed as failure:
            self.failure = str(failure)
            return None
        return self.samples[-1]

    @property
    def wall(self) -> list[float]:
        return sorted(s.wall_ms for s in self.samples)

    @property
    def wall_median(self) -> float:
        return statistics.median(self.wall)

    @property
    def wall_p95(self) -> float:
        return self.wall[min(len(self.wall) - 1, int(len(self.wall) * 0.95))]

    @property
    def cpu_median(self) -> float:
        return statistics.median(s.cpu_ms for s in self.samples)

    @property
    def rss_peak(self) -> float:
        return max(s.rss_mib for s in self.samples)

    @property
    def left(self) -> int:
        return sum(s.left for s in self.samples)


def interleave(rows: list[Row], rounds: int, meter: Meter) -> None:
    """One warm-up, then each round runs every row once, each time beginning at another: load hits all alike."""
    for row in rows:
        row.measure(meter)
        row.samples.clear()
    for number in range(rounds):
        turn = number % len(rows)
        for row in rows[turn:] + rows[:turn]:
            row.measure(meter)
