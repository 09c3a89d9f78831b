//! A private containerd, and its `ctr`.

use super::Engine;

impl Engine {
    pub(super) fn set_up_containerd(mut self) -> Self {
        let folder = |name: &str| self.place.folder(name).display().to_string();
        let (config, socket) = (folder("containerd.toml"), folder("run/sock"));
        // The plugin for Kubernetes reads the machine's network configuration, and nobody talks to it here.
        let text = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{socket}\"\n",
            folder("root"),
            folder("run/state")
        );
        std::fs::write(&config, text).expect("our own folder");
        self.globals = vec!["--address".to_owned(), socket];
        self.start_daemon("/etc/containerd", &["containerd".to_owned(), "--config".to_owned(), config], &["version"]);
        self.ok(&["images", "pull", "--plain-http", &self.image()]);
        self
    }

    pub(super) fn end_containerd(&self) {
        for id in self.run(&["containers", "list", "--quiet"]).stdout.lines() {
            self.run(&["tasks", "kill", "--signal", "SIGKILL", id]);
            self.run(&["tasks", "delete", "--force", id]);
            self.run(&["containers", "delete", id]);
        }
    }
}
