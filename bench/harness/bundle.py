"""An OCI bundle for crun and runc, as Docker (or podman) would hand it to them: seccomp, capabilities, all mounts."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

from .docker import Docker
from .podman import Podman
from .sample import Failed


def donated_spec(docker: Docker | None, podman: Podman | None, store: Path, reference: str) -> tuple[dict, str]:
    """The config.json that docker writes for a container, else podman's; and whose it is."""
    if docker:
        made = subprocess.run(docker.argv("run", "-d", "--network", "none", reference, "sleep", "60"),
                              capture_output=True, text=True)
        if made.returncode == 0:
            identity = made.stdout.strip()
            found = list(docker.home.glob(f"run/containerd/daemon/*/moby/{identity}/config.json"))
            spec = json.loads(found[0].read_text()) if found else None
            subprocess.run(docker.argv("rm", "-f", identity), capture_output=True)
            if spec:
                return spec, "docker's"
    if podman:
        command = podman.command(store, "create", "--network", "none", reference, "sleep", "60")
        made = subprocess.run(command.argv, env={"PATH": _path(), **command.env}, capture_output=True, text=True)
        identity = made.stdout.strip()
        init = podman.command(store, "init", identity)
        subprocess.run(init.argv, env={"PATH": _path(), **init.env}, capture_output=True)
        found = list(store.glob(f"overlay-containers/{identity}/userdata/config.json"))
        spec = json.loads(found[0].read_text()) if found else None
        remove = podman.command(store, "rm", "-f", identity)
        subprocess.run(remove.argv, env={"PATH": _path(), **remove.env}, capture_output=True)
        if spec:
            return spec, "podman's"
    raise Failed("no docker or podman here that writes a configuration for the bundle")


def _path() -> str:
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write(folder: Path, spec: dict, rootfs: Path, network: str, cgroup: str) -> None:
    """Makes the donor's spec stand alone: our root, `true`, no hooks, nothing from the donor's store."""
    folder.mkdir(parents=True)
    spec = json.loads(json.dumps(spec))
    spec.pop("hooks", None)
    spec["root"] = {"path": str(rootfs), "readonly": False}
    spec["process"].update(args=["true"], terminal=False)
    # A root that may not raise limits can't set the score that some donors ask for.
    spec["process"].pop("oomScoreAdj", None)
    linux = spec["linux"]
    linux["cgroupsPath"] = cgroup
    for entry in linux["namespaces"]:
        entry.pop("path", None)
    if network == "host":
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "network"]
        linux["sysctl"] = {k: v for k, v in linux.get("sysctl", {}).items() if not k.startswith("net.")}
    # The donor's /etc/hosts and its kin: one file of ours in their place, so that the work stays the same.
    (folder / "etc-file").touch()
    for mount in spec["mounts"]:
        if mount.get("type") == "bind" and not mount["source"].startswith("/dev"):
            mount["source"] = str(folder / "etc-file" if Path(mount["destination"]).suffix or "etc" in
                                  mount["destination"] else folder)
    (folder / "config.json").write_text(json.dumps(spec))
