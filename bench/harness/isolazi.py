"""isolazi with a store of its own: as root, and as an ordinary user."""
from __future__ import annotations

import os
from pathlib import Path

from .registry import PROJECT
from .sample import Command, User, runtime_dir


def find() -> tuple[Path | None, str]:
    """The binary to measure, or why there is none."""
    asked = os.environ.get("ISOLAZI_BIN")
    if asked:
        path = Path(asked).resolve()
        return (path, "") if path.is_file() else (None, f"$ISOLAZI_BIN: no file `{asked}`")
    built = [*PROJECT.glob("target/*/release/isolazi"), *PROJECT.glob("target/release/isolazi")]
    built.sort(key=lambda path: path.stat().st_mtime)
    return (built[-1], "") if built else (None, "not built: `cargo build --release -p isolazi`")


class Isolazi:
    def __init__(self, binary: Path, home: Path, user: User | None = None):
        self.binary = binary
        self.home = home
        self.user = user
        home.mkdir()
        if user:
            os.chown(home, user.uid, user.gid)
        self.env = {"HOME": str(home), **runtime_dir(user)}

    def command(self, store: Path, *words: str) -> Command:
        return Command([str(self.binary), "--root", str(store), *words], self.env, self.user)

    def run(self, store: Path, network: str, reference: str) -> Command:
        return self.command(store, "run", "--rm", "--network", network, reference, "true")
