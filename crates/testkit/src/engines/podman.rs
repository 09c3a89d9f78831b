//! Podman with configuration and stores of its own, as root and as an ordinary user.

use super::Engine;
use crate::registries::registries;

impl Engine {
    pub(super) fn set_up_podman(mut self) -> Self {
        let runtime = self.runtime().display().to_string();
        self.globals = ["--runtime", &runtime, "--cgroup-manager", "cgroupfs"].map(str::to_owned).to_vec();
        for (name, variable, text) in [
            ("storage.conf", "CONTAINERS_STORAGE_CONF", self.storage()),
            ("registries.conf", "CONTAINERS_REGISTRIES_CONF", plain_registry()),
            ("containers.conf", "CONTAINERS_CONF", self.containers()),
        ] {
            let path = self.place.folder(name);
            std::fs::write(&path, text).expect("our own folder");
            self.place.env(variable, path.display().to_string());
        }
        self.ok(&["pull", "-q", &self.image()]);
        self
    }

    /// Podman takes no more than 50 characters for `runroot`.
    fn storage(&self) -> String {
        let (root, run) = (self.place.folder("root"), self.place.folder("run"));
        format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}/c\"\n",
            root.display(),
            run.display()
        )
    }

    /// Limits that a root without CAP_SYS_RESOURCE may set, too; files for locks and events, not the machine's shared
    /// memory and journal. The ordinary user's podman does not know that the runtime writes its log as JSON.
    fn containers(&self) -> String {
        let json = if self.is_ordinary() { "" } else { "\"isolazi-oci\"" };
        format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:4096\", \"nproc=4096:8192\"]\n\
             init_path = \"/usr/bin/tini-static\"\n\
             [engine]\nevents_logger = \"file\"\nlock_type = \"file\"\nruntime_supports_json = [{json}]\n\
             tmp_dir = \"{}/p\"\n",
            self.place.folder("run").display()
        )
    }

    pub(super) fn end_podman(&self) {
        self.run(&["pod", "rm", "--all", "--force", "--time", "0"]);
        self.run(&["rm", "--all", "--force", "--time", "0"]);
        if self.is_ordinary() {
            // Ends the process that keeps the user namespace from one command to the next.
            self.run(&["system", "migrate"]);
        } else {
            // Podman mounts its store on itself, and leaves it.
            let _ = rustix::mount::unmount(self.place.folder("root/overlay"), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

fn plain_registry() -> String {
    format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registries().plain.addr)
}
