//! The store under stress: concurrent pulls, full disks, removal, and kills at any moment. Needs root.

#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

mod common;

use common::*;
use error::Kind;
use snapshot::{Flavour, Limits, Store};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn big(files: u32) -> Vec<u8> {
    let entries: Vec<_> =
        (0..files).map(|n| file(format!("d{}/f{n}", n % 50), vec![b'x'; (n % 3000) as usize])).collect();
    tar(&entries)
}

/// Names in the store's folder.
fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.0.join("snapshots")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn opening_makes_nothing_and_an_absent_store_is_empty() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(!store.contains(&diff_id(b"")).unwrap());
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.sweep().unwrap(), 0);
    assert_eq!(store.disk_usage().unwrap(), 0);
    assert!(!store.remove(&diff_id(b"")).unwrap());
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn layers_are_listed_measured_and_removed_with_their_chains() {
    let folder = Folder::new();
    let store = folder.store();
    let (one, two) = (tar(&[file("a", "12345"), hardlink("b", "a")]), tar(&[file("c/d", "1")]));
    let first = unpack(&store, &one).unwrap();
    assert_eq!((first.already, first.size), (false, 5));
    assert!(unpack(&store, &one).unwrap().already);
    unpack(&store, &two).unwrap();
    let ids = [diff_id(&one), diff_id(&two)];
    let mut listed = store.list().unwrap();
    listed.sort();
    let mut sorted = ids;
    sorted.sort();
    assert_eq!(listed, sorted);
    assert_eq!(store.size(&ids[0]).unwrap(), 5);
    assert!(store.disk_usage().unwrap() > 8192);

    store.chain(&ids).unwrap();
    store.chain(&ids[..1]).unwrap();
    assert!(store.remove(&ids[1]).unwrap());
    let chains = std::fs::read_dir(folder.0.join("snapshots/chains")).unwrap().count();
    assert_eq!(chains, 1, "the chain without the removed layer stays");
    assert_eq!(store.chain(&ids).unwrap_err().kind, Kind::NotFound);
    assert_eq!(names(&folder), [ids[0].hex(), "chains".to_owned()]);
}

#[test]
fn two_at_once_do_the_work_once() {
    let folder = Folder::new();
    let bytes = big(2000);
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| unpack(&folder.store(), &bytes).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| !result.already).count(), 1);
    assert_eq!(names(&folder), [diff_id(&bytes).hex()]);
}

#[test]
fn sweeping_spares_what_is_alive() {
    let folder = Folder::new();
    let store = folder.store();
    let dead = folder.0.join("snapshots/tmp-dead/fs/deep");
    std::fs::create_dir_all(&dead).unwrap();
    std::fs::create_dir_all(folder.0.join("snapshots/trash-x/fs")).unwrap();
    let bytes = big(10);
    let swept = std::cell::Cell::new(None);
    // The progress call comes in the middle of an unpacking.
    let progress = |_| {
        if swept.get().is_none() {
            swept.set(Some(store.sweep().unwrap()));
        }
    };
    store.unpack(&diff_id(&bytes), &mut &bytes[..], &Limits::default(), &progress).unwrap();
    assert_eq!(swept.get(), Some(2));
    assert_eq!(names(&folder), [diff_id(&bytes).hex()]);
}

#[test]
fn a_full_disk_leaves_nothing_and_says_so() {
    let folder = Folder::new();
    let small = folder.0.join("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = Mounted::tmpfs(&small, "size=1m");
    let bytes = tar(&[file("f", vec![1; 900 << 10]), file("g", vec![1; 900 << 10])]);
    let store = Store::open(&small.join("snapshots"), Flavour::Privileged);
    let error = unpack(&store, &bytes).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert!(error.to_string().ends_with("can't unpack `g`: can't write it: no space left on device"), "{error}");
    assert_eq!(error.hints.len(), 1);
    assert_eq!(std::fs::read_dir(small.join("snapshots")).unwrap().count(), 0);
    drop(mounted);
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    let store = folder.0.join("file");
    std::fs::write(&store, "").unwrap();
    let error = unpack(&Store::open(&store, Flavour::Privileged), &tar(&[])).unwrap_err();
    assert!(error.to_string().contains("can't "), "{error}");
    assert!(!error.to_string().contains("os error"), "{error}");
}

#[test]
fn trees_of_any_depth_and_mode_are_removed() {
    let folder = Folder::new();
    let tree = folder.0.join("tree");
    std::fs::create_dir(&tree).unwrap();
    let mut here = std::fs::File::open(&tree).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&here, "d", rustix::fs::Mode::RWXU).unwrap();
        rustix::fs::symlinkat("/etc", &here, "link").unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        here = rustix::fs::openat(&here, "d", flags, rustix::fs::Mode::empty()).unwrap().into();
    }
    let parent = std::fs::File::open(&folder.0).unwrap();
    sys::remove::remove_tree(std::os::fd::AsFd::as_fd(&parent), "tree").unwrap();
    assert!(tree.symlink_metadata().is_err());
    assert!(Path::new("/etc/passwd").is_file());
    sys::remove::remove_tree(std::os::fd::AsFd::as_fd(&parent), "tree").expect("what is gone is removed");
}

#[test]
fn a_mount_inside_is_not_emptied() {
    let folder = Folder::new();
    let inner = folder.0.join("tree/mount");
    std::fs::create_dir_all(&inner).unwrap();
    let mounted = Mounted::tmpfs(&inner, "size=1m");
    std::fs::write(inner.join("precious"), "").unwrap();
    let parent = std::fs::File::open(&folder.0).unwrap();
    sys::remove::remove_tree(std::os::fd::AsFd::as_fd(&parent), "tree").unwrap_err();
    assert!(inner.join("precious").is_file());
    drop(mounted);
}

struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Self {
        let options = std::ffi::CString::new(options).unwrap();
        rustix::mount::mount("tmpfs", at, "tmpfs", rustix::mount::MountFlags::empty(), options.as_c_str()).unwrap();
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

/// The name under which this test binary runs itself again, as a process that can be killed.
const VICTIM: &str = "SNAPSHOT_TEST_VICTIM";
const ROUNDS: u32 = 200;

/// Not a test of its own: without the variable it does nothing, with it, it is the process that gets killed.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let bytes = {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).unwrap();
        bytes
    };
    std::fs::write(Path::new(&folder).join("started"), "").unwrap();
    let store = Store::open(&Path::new(&folder).join("snapshots"), Flavour::Privileged);
    unpack(&store, &bytes).unwrap();
    store.chain(&[diff_id(&bytes)]).unwrap();
}

/// Starts the victim and returns it when it is about to unpack.
fn start_victim(folder: &Path, bytes: &[u8]) -> std::process::Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::remove_file(folder.join("started")).is_err() {
        assert!(Instant::now() < deadline, "the victim does not start");
        std::thread::sleep(Duration::from_micros(100));
    }
    child
}

#[test]
fn killed_at_any_moment_it_leaves_all_or_nothing() {
    // In memory: 200 rounds would otherwise wait for the disk, and what a kill leaves does not depend on it.
    let outer = Folder::new();
    let mounted = Mounted::tmpfs(&outer.0, "size=256m");
    let folder = std::mem::ManuallyDrop::new(Folder(outer.0.clone()));
    let bytes = big(1000);
    let id = diff_id(&bytes);

    let started = Instant::now();
    assert!(start_victim(&folder.0, &bytes).wait().unwrap().success());
    let mut whole = started.elapsed();
    let expected = listing(&folder.layer(&bytes));
    folder.store().remove(&id).unwrap();

    let (mut complete, mut nothing, mut leftovers) = (0, 0, 0);
    for round in 0..ROUNDS {
        let mut child = start_victim(&folder.0, &bytes);
        let started = Instant::now();
        // From the very start to a little after the usual end, in no order.
        std::thread::sleep(whole * (round * 7919 % ROUNDS) * 12 / 10 / ROUNDS);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            whole = whole.min(started.elapsed());
        }

        let store = folder.store();
        if store.contains(&id).unwrap() {
            complete += 1;
            assert_eq!(listing(&folder.layer(&bytes)), expected, "round {round}");
        } else {
            nothing += 1;
        }
        leftovers += usize::from(names(&folder).iter().any(|name| name.starts_with("tmp-")));
        if round % 2 == 0 {
            store.sweep().unwrap();
            assert!(names(&folder).iter().all(|name| !name.contains('-')), "round {round}: {:?}", names(&folder));
        }
        // Whatever was left, a pull afterwards succeeds.
        unpack(&store, &bytes).unwrap();
        store.chain(&[id]).unwrap();
        assert_eq!(listing(&folder.layer(&bytes)), expected, "round {round}");
        store.remove(&id).unwrap();
    }
    assert!(complete > 0 && leftovers > 0, "{complete} complete, {nothing} incomplete, {leftovers} left something");
    drop(mounted);
}
