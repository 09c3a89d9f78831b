//! Pulls in processes of their own: killed at any moment, two at once, on full and read-only disks, and measured.
//!
//! This program is both: without arguments it runs the tests, with `child` it is the process that a test starts.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it is a test, though it has its own main")]

mod common;

use common::{Collect, Scratch, options, reference};
use image::{Image, Quiet, Store};
use oci::Digest;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::registries;

/// Enough to meet every step of a pull of some tens of milliseconds.
const KILLS: u32 = 100;
/// The limit for a pull of any image.
const MAX_PEAK_KIB: u64 = 64 << 10;

const TESTS: &[(&str, fn())] = &[
    ("a_pull_killed_at_any_moment_leaves_a_store_that_the_next_pull_completes", killed),
    ("two_processes_pull_one_image_together", together),
    ("pulls_and_removals_side_by_side_break_nothing", side_by_side),
    ("a_full_disk_is_told_and_a_larger_one_goes_on", full_disk),
    ("a_read_only_or_forbidden_folder_is_named", read_only),
    ("the_largest_image_is_pulled_in_little_memory", little_memory),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        return child(Path::new(&arguments[1]), &arguments[2]);
    }
    // As libtest: a name, or a part of it, chooses.
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let chosen: Vec<_> = TESTS.iter().filter(|(name, _)| filter.is_none_or(|part| name.contains(part))).collect();
    println!("\nrunning {} tests", chosen.len());
    for (name, test) in &chosen {
        test();
        println!("test {name} ... ok");
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored\n", chosen.len());
}

/// Pulls; prints the image ID and the peak of its memory, or the error.
fn child(images: &Path, name: &str) {
    match Store::open(images).pull(&reference(name), &options(), &Quiet, Some(&Collect::default())) {
        Ok(pulled) => {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            println!("{} {}", pulled.image.id, peak.trim().trim_end_matches(" kB"));
        }
        Err(error) => println!("error: {error}"),
    }
}

fn pulling(images: &Path, name: &str) -> Command {
    // By this link the program is reached even where its folder can't be.
    let mut command = Command::new("/proc/self/exe");
    command.args(["child".as_ref(), images.as_os_str(), name.as_ref()]).stdout(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// Every blob of the image is here and is what its digest says.
fn verify(store: &Store, image: &Image) {
    for descriptor in image.manifest.layers.iter().chain([&image.manifest.config]) {
        let bytes = std::fs::read(store.blob_path(&descriptor.digest)).unwrap();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (descriptor.digest, descriptor.size));
    }
}

fn killed() {
    let name = format!("{}/layers", registries().plain.addr);
    let mut scratch = Scratch::new();
    let (mut complete, mut cut) = (0, 0);
    for round in 0..KILLS {
        let images = scratch.dir.join("images");
        let mut pull = pulling(&images, &name).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(u64::from(round) * 1_009 % 70_000));
        pull.kill().unwrap();
        pull.wait().unwrap();
        match scratch.store.find(&reference(&name), None).unwrap() {
            Some(image) => {
                verify(&scratch.store, &image);
                complete += 1;
                scratch = Scratch::new();
            }
            None => cut += 1,
        }
    }
    assert!(complete > 0 && cut > 0, "the moments were badly chosen: {complete} complete, {cut} cut");
    let pulled = scratch.store.pull(&reference(&name), &options(), &Quiet, Some(&Collect::default())).unwrap();
    verify(&scratch.store, &pulled.image);
    scratch.store.remove(&name, false, &mut |_| Ok(())).unwrap();
    scratch.store.sweep().unwrap();
    let left: Vec<String> = scratch.files().into_iter().filter(|file| !file.starts_with("tmp/w-")).collect();
    assert_eq!(left, ["index.json", "oci-layout"]);
}

fn together() {
    let name = format!("{}/python", registries().plain.addr);
    let scratch = Scratch::new();
    let images = scratch.dir.join("images");
    let pulls: Vec<_> = (0..3).map(|_| pulling(&images, &name).spawn().unwrap()).collect();
    let ids: Vec<String> = pulls
        .into_iter()
        .map(|pull| text(&pull.wait_with_output().unwrap()).split(' ').next().unwrap().to_owned())
        .collect();
    let image = scratch.store.find(&reference(&name), None).unwrap().unwrap();
    assert!(ids.iter().all(|id| *id == image.id.to_string()), "{ids:?}");
    verify(&scratch.store, &image);
    assert!(scratch.files().iter().all(|file| !file.starts_with("tmp/") && !file.starts_with("leases/")));
}

fn side_by_side() {
    let addr = registries().plain.addr;
    let (kept, moving) = (reference(&format!("{addr}/busybox")), reference(&format!("{addr}/layers")));
    let scratch = Scratch::new();
    let store = &scratch.store;
    // `layers` stands upon `busybox`: they share its blob.
    let base = store.pull(&kept, &options(), &Quiet, None).unwrap().image;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let removals = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let gone = store.remove(&moving.familiar(), false, &mut |diff_id| {
                    assert!(!base.config.rootfs.diff_ids.contains(diff_id), "a shared layer was released");
                    Ok(())
                });
                count += u32::from(gone.is_ok());
            }
            count
        });
        let pulls: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..15 {
                        store.pull(&moving, &options(), &Quiet, Some(&Collect::default())).unwrap();
                        verify(store, &store.find(&kept, None).unwrap().unwrap());
                    }
                })
            })
            .collect();
        let results: Vec<_> = pulls.into_iter().map(|pull| pull.join()).collect();
        over.store(true, Ordering::Relaxed);
        let count = removals.join().unwrap();
        assert!(results.iter().all(Result::is_ok));
        assert!(count > 0, "nothing was removed");
    });
    let pulled = store.pull(&moving, &options(), &Quiet, None).unwrap();
    verify(store, &pulled.image);
}

/// In its own mount namespace, with a tmpfs over `dir`: a pull, then the shell command `then`.
fn on_tmpfs(dir: &Path, options: &str, name: &str, then: &str) -> String {
    let script = format!("mount -t tmpfs -o {options} none \"$1\" && \"$2\" child \"$1/images\" {name} && {then}");
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).args([dir, &exe]);
    text(&command.output().unwrap())
}

fn full_disk() {
    let name = format!("{}/python", registries().plain.addr);
    let scratch = Scratch::new();
    let larger = format!("mount -o remount,size=1g \"$1\" && \"$2\" child \"$1/images\" {name}");
    let told = on_tmpfs(&scratch.dir, "size=4m", &name, &larger);
    let lines: Vec<&str> = told.lines().collect();
    let path = scratch.dir.join("images/tmp");
    assert!(lines[0].starts_with(&format!("error: can't write `{}/", path.display())), "{told}");
    assert!(lines[0].ends_with(".partial`: no space left on device"), "{told}");
    assert!(lines[1].starts_with("sha256:"), "{told}");
}

fn read_only() {
    let name = format!("{}/busybox", registries().plain.addr);
    let scratch = Scratch::new();
    let images = scratch.dir.join("images");
    assert_eq!(
        on_tmpfs(&scratch.dir, "ro", &name, "true"),
        format!("error: can't create `{}/blobs/sha256`: read-only file system", images.display())
    );
    // An ordinary user in root's folder.
    let output = pulling(&images, &name).uid(65534).gid(65534).output().unwrap();
    let denied = format!("error: can't create `{}/blobs/sha256`: permission denied", images.display());
    assert_eq!(text(&output), denied);
}

fn little_memory() {
    for image in ["postgres", "files50k"] {
        let name = format!("{}/{image}", registries().plain.addr);
        let scratch = Scratch::new();
        let output = pulling(&scratch.dir.join("images"), &name).output().unwrap();
        let said = text(&output);
        let peak: u64 = said.split(' ').nth(1).unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        println!("     peak memory of pulling {image}: {peak} KiB");
        assert!(peak < MAX_PEAK_KIB, "{image}: {peak} KiB");
    }
}
