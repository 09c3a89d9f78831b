//! What is decided, by tables; what is done, in a plain tree that looks as resctrl does before.

use super::*;
use std::fs;

fn rdt(document: serde_json::Value) -> IntelRdt {
    serde_json::from_value(document).unwrap()
}

macro_rules! rdt {
    ($($json:tt)*) => { rdt(serde_json::json!($($json)*)) };
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn documents_become_plans() {
    let empty = RdtPlan { class: Some("c1".into()), named: false, shares: vec![], schemata: vec![], monitoring: None };
    for (document, wanted) in [
        (rdt!({}), empty.clone()),
        (rdt!({"closID": "gold"}), RdtPlan { class: Some("gold".into()), named: true, ..empty.clone() }),
        (rdt!({"closID": "/"}), RdtPlan { class: None, named: true, ..empty.clone() }),
        (
            rdt!({"memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f\n", "schemata": ["L2:0=f", ""]}),
            RdtPlan { shares: lines(&["L3:0=f", "MB:0=20"]), schemata: lines(&["L2:0=f"]), ..empty.clone() },
        ),
        (rdt!({"enableMonitoring": true}), RdtPlan { monitoring: Some("c1".into()), ..empty.clone() }),
        (rdt!({"enableCMT": true}), RdtPlan { monitoring: Some("c1".into()), ..empty.clone() }),
        (rdt!({"enableMBM": true}), RdtPlan { monitoring: Some("c1".into()), ..empty }),
    ] {
        assert_eq!(plan(&document, "c1").unwrap(), wanted, "{document:?}");
    }
    for (document, text) in [
        (rdt!({"closID": ".."}), "closID`: `..` is no name of a class: `/`, or a plain name"),
        (rdt!({"closID": "a/b"}), "closID`: `a/b` is no name of a class: `/`, or a plain name"),
        (rdt!({"closID": "info"}), "closID`: `info` is no name of a class: `/`, or a plain name"),
        (rdt!({"memBwSchema": "L3:0=f"}), "memBwSchema`: it is one line that starts with `MB:`"),
        (rdt!({"memBwSchema": "MB:0=20\nMB:0=30"}), "memBwSchema`: it is one line that starts with `MB:`"),
        (rdt!({"schemata": ["L3:0=f\nL2:0=f"]}), "schemata`: each element is one line"),
        (rdt!({"schemata": ["L3:\0"]}), "schemata`: it has a NUL byte"),
        (rdt!({"l3CacheSchema": "x".repeat(4096)}), "l3CacheSchema`: more than 4095 bytes"),
    ] {
        let error = plan(&document, "c1").unwrap_err();
        assert_eq!(error.to_string(), format!("config.json: `linux.intelRdt.{text}"));
    }
}

#[test]
fn a_share_is_there_if_its_caches_have_it_however_it_is_written() {
    let present = "    MB:0= 30;1=100\n    L3:0=007f0;1=0001f\n";
    for (line, there) in [
        ("L3:0=7f0;1=1f", true),
        ("L3:1=0x1F", true),
        ("L3:0=7f1", false),
        ("L3:2=1", false),
        ("L2:0=f", false),
        ("MB:0=30;1=100", true),
        ("MB:0=25", true),
        ("MB:0=20", false),
        ("nonsense", false),
    ] {
        assert_eq!(has(present, line, 10), there, "{line}");
    }
}

#[test]
fn the_mount_is_found_wherever_it_is() {
    let mounts =
        "22 1 0:20 / /proc rw - proc proc rw\n30 22 0:26 / /mnt/resctrl rw,relatime shared:9 - resctrl resctrl rw\n";
    assert_eq!(mount_point(mounts), Some("/mnt/resctrl".into()));
    assert_eq!(mount_point("22 1 0:20 / /resctrl rw - proc resctrl rw\n"), None);
}

#[test]
fn a_machine_without_resctrl_says_so() {
    // Not so on a machine that has it: there the root is its mount.
    match root() {
        Ok(root) => assert!(fs::metadata(root.join("schemata")).unwrap().is_file()),
        Err(error) => {
            assert_eq!(error.kind, Kind::Unsupported);
            let text = "config.json: `linux.intelRdt`: no `resctrl` file system is mounted on this machine";
            assert_eq!(error.to_string(), text);
        }
    }
}

/// A tree with the class `gold`, made by somebody else.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("resctrl-{name}-{}", std::process::id()));
        for folder in ["info/MB", "mon_groups", "gold/mon_groups"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let tree = Self(root);
        tree.file("info/MB/bandwidth_gran", "10\n");
        tree.file("info/last_cmd_status", "the kernel's words\n");
        for group in ["", "gold/"] {
            tree.file(&format!("{group}tasks"), "");
            tree.file(&format!("{group}schemata"), "L3:0=ff\nMB:0=30\n");
        }
        tree
    }

    fn file(&self, path: &str, text: &str) {
        fs::write(self.0.join(path), text).unwrap();
    }

    #[track_caller]
    fn assert_file(&self, path: &str, text: &str) {
        assert_eq!(fs::read_to_string(self.0.join(path)).unwrap(), text, "{path}");
    }

    fn has(&self, path: &str) -> bool {
        self.0.join(path).try_exists().unwrap()
    }

    fn make(&self, document: IntelRdt) -> Result<RdtGroup> {
        make(&plan(&document, "c1").unwrap(), &self.0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

const PID: i32 = 4711;

#[test]
fn a_container_without_a_class_gets_one_of_its_own_that_goes_with_it() {
    let tree = Tree::new("own");
    let group = tree.make(rdt!({})).unwrap();
    assert_eq!(group, RdtGroup { class: tree.0.join("c1"), own: true, monitoring: None });
    // The kernel fills a new folder, and empties it.
    tree.file("c1/tasks", "");
    group.add(Pid::from_raw(PID).unwrap()).unwrap();
    tree.assert_file("c1/tasks", "4711");
    fs::remove_file(tree.0.join("c1/tasks")).unwrap();
    group.remove().unwrap();
    assert!(!tree.has("c1"));
    group.remove().unwrap();
}

#[test]
fn a_named_class_is_joined_and_stays_and_its_monitoring_goes() {
    let tree = Tree::new("named");
    for (document, class) in [
        (rdt!({"closID": "gold", "enableMonitoring": true}), "gold"),
        (rdt!({"closID": "/", "enableMonitoring": true}), ""),
    ] {
        let group = tree.make(document).unwrap();
        let monitoring = tree.0.join(class).join("mon_groups/c1");
        assert_eq!((group.own, &group.monitoring), (false, &Some(monitoring.clone())));
        fs::write(monitoring.join("tasks"), "").unwrap();
        group.add(Pid::from_raw(PID).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(tree.0.join(class).join("tasks")).unwrap(), "4711");
        assert_eq!(fs::read_to_string(monitoring.join("tasks")).unwrap(), "4711");
        fs::remove_file(monitoring.join("tasks")).unwrap();
        group.remove().unwrap();
        assert!(tree.has("gold/schemata") && !monitoring.try_exists().unwrap());
        tree.assert_file("gold/schemata", "L3:0=ff\nMB:0=30\n");
    }
}

#[test]
fn a_class_that_exists_must_have_the_shares_and_gets_the_schemata() {
    let tree = Tree::new("shares");
    tree.make(rdt!({"closID": "gold", "l3CacheSchema": "L3:0=0ff", "memBwSchema": "MB:0=21"})).unwrap();
    tree.assert_file("gold/schemata", "L3:0=ff\nMB:0=30\n");
    let error = tree.make(rdt!({"closID": "gold", "l3CacheSchema": "L3:0=f", "schemata": ["L2:0=1"]})).unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    let path = tree.0.join("gold");
    let text = format!(
        "config.json: `linux.intelRdt.closID`: the class `{}` exists with other shares than `L3:0=f`",
        path.display()
    );
    assert_eq!(error.to_string(), text);
    tree.assert_file("gold/schemata", "L3:0=ff\nMB:0=30\n");
    tree.make(rdt!({"closID": "gold", "schemata": ["L3:0=ff", "MB:0=99"]})).unwrap();
    tree.assert_file("gold/schemata", "L3:0=ff\nMB:0=99\n");
}

#[test]
fn what_cannot_be_made_is_told_in_the_kernels_words_and_leaves_nothing() {
    let tree = Tree::new("undo");
    let error = tree.make(rdt!({"closID": "silver"})).unwrap_err();
    let path = |name: &str| tree.0.join(name).display().to_string();
    let text = format!("config.json: `linux.intelRdt.closID`: there is no class `{}`", path("silver"));
    assert_eq!((error.kind, error.to_string()), (Kind::NotFound, text));
    // A plain folder has neither of the files that are written.
    for (document, name, text) in [
        (
            rdt!({"closID": "silver", "schemata": ["L3:0=f"]}),
            "silver",
            "schemata`: can't write `L3:0=f` to `{}/schemata`",
        ),
        (rdt!({"l3CacheSchema": "L3:0=f"}), "c1", "l3CacheSchema`: can't write `L3:0=f` to `{}/schemata`"),
        (rdt!({"enableMonitoring": true}), "c1", "enableMonitoring`: can't make `{}/mon_groups/c1`"),
    ] {
        let error = tree.make(document).unwrap_err();
        let text = text.replace("{}", &path(name));
        let whole = format!("config.json: `linux.intelRdt.{text}: no such file or directory: the kernel's words");
        assert_eq!(error.to_string(), whole);
        assert!(!tree.has(name), "{name}");
    }
}
