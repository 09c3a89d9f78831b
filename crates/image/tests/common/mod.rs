//! What the tests of pulling share: a folder that goes away, quick retries, a sink and a progress that remember.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use error::Result;
use image::{Credentials, Event, LayerSink, LayerState, Progress, PullOptions, Retries, Store};
use oci::digest::Hasher;
use oci::{Descriptor, Digest, Reference};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A store in a fresh folder, removed when dropped.
pub struct Scratch {
    pub dir: PathBuf,
    pub store: Store,
}

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("isolazi-image-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self { store: Store::open(&dir.join("images")), dir }
    }

    /// All files below the store, with their sizes, but for the lock.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.dir.join("images"), "", &mut found);
        found.retain(|name| name != "lock");
        found
    }
}

fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Retries that a test can wait for.
pub fn quick() -> Retries {
    Retries { attempts: 3, first_wait: Duration::from_millis(5), silence: Duration::from_millis(300) }
}

pub fn options() -> PullOptions<'static> {
    PullOptions { retries: quick(), ..PullOptions::default() }
}

pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

pub fn password(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() })
}

/// Keeps what layers hash to, as a real sink verifies them.
#[derive(Default)]
pub struct Collect {
    pub layers: Mutex<BTreeMap<usize, (Digest, u64)>>,
    /// Diff IDs that are here already.
    pub known: Vec<Digest>,
}

impl LayerSink for Collect {
    fn wanted(&self, diff_id: &Digest) -> bool {
        !self.known.contains(diff_id)
    }

    fn layer(&self, index: usize, _: &Descriptor, _: &Digest, content: &mut dyn Read) -> Result<()> {
        let (mut hasher, mut size, mut chunk) = (Hasher::new(), 0, vec![0; 10_000]);
        loop {
            let count = content.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            hasher.update(&chunk[..count]);
            size += count as u64;
        }
        self.layers.lock().unwrap().insert(index, (hasher.finish(), size));
        Ok(())
    }
}

/// Keeps the order of events, without the many of `Downloading`.
#[derive(Default)]
pub struct Remember(pub Mutex<Vec<String>>);

impl Progress for Remember {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::PullingFrom(reference) => format!("pulling {}", reference.familiar()),
            Event::Waiting { cause, .. } => format!("waiting: {cause}"),
            Event::Layer { digest, state } => {
                let state = match state {
                    LayerState::Queued { .. } => "queued",
                    LayerState::Waiting => "waiting",
                    LayerState::Downloading { .. } => return,
                    LayerState::Retrying { .. } => "retrying",
                    LayerState::Verifying => "verifying",
                    LayerState::Downloaded => "downloaded",
                    LayerState::Exists => "exists",
                };
                format!("{} {state}", digest.short())
            }
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Remember {
    pub fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
