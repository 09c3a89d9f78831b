//! A private dockerd, with its own containerd, whose default runtime is ours.

use super::Engine;

impl Engine {
    pub(super) fn set_up_docker(mut self) -> Self {
        let folder = |name: &str| self.place.folder(name).display().to_string();
        let socket = format!("unix://{}", folder("run/docker.sock"));
        std::fs::write(self.place.folder("daemon.json"), "{}").expect("our own folder");
        self.globals = vec!["-H".to_owned(), socket.clone()];
        let runtime = format!("--add-runtime=isolazi={}", self.runtime().display());
        let words = [
            "dockerd".to_owned(),
            format!("--config-file={}", folder("daemon.json")),
            format!("--data-root={}", folder("root")),
            format!("--exec-root={}", folder("run/exec")),
            format!("--pidfile={}", folder("run/pid")),
            format!("--host={socket}"),
            "--storage-driver=overlay2".to_owned(),
            "--bridge=none".to_owned(),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--ip-forward=false".to_owned(),
            "--ip-masq=false".to_owned(),
            format!("--cgroup-parent={}", self.group),
            "--exec-opt=native.cgroupdriver=cgroupfs".to_owned(),
            runtime,
            "--default-runtime=isolazi".to_owned(),
        ];
        // It keeps a key there that nobody wants.
        self.start_daemon("/etc/docker", &words, &["version"]);
        self.ok(&["pull", "-q", &self.image()]);
        self
    }

    pub(super) fn end_docker(&self) {
        // The daemon would stop each in turn, and wait for those that take no notice.
        let containers = self.run(&["ps", "--all", "--quiet"]).stdout;
        let containers: Vec<&str> = containers.lines().collect();
        if !containers.is_empty() {
            self.run(&[&["rm", "--force", "--volumes"], &containers[..]].concat());
        }
    }
}
