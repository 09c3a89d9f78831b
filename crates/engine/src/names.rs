//! Names of containers: made up or given, and each held by one container.
//!
//! ```text
//! <data>/names/<name>        the container's id; flocked from the reservation until the container exists
//! <data>/containers/<id>/    a name whose folder is gone, and which nobody reserves, is stale: the next one takes it
//! ```
//! Names change only under an exclusive lock on the folder, held for a handful of calls. Reading takes no lock.

mod words;

use error::{Error, Kind, Result, ResultExt};
use rustix::fs::{FlockOperation, flock};
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// What a file name can have, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// How often we make up another name before the id must do. 10 000 pairs times 10 digits: nobody gets so far.
const MADE_UP_TRIES: usize = 16;

/// Digits that stand for an id where a whole one is too long, as in host names.
const SHORT_ID_DIGITS: usize = 12;

/// An id has 64 digits; what is longer is none.
const MAX_ID_BYTES: u64 = 64;

/// The names of all containers.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    dir: PathBuf,
    containers: PathBuf,
}

/// A name that is taken, and given back on drop unless [`kept`](Reserved::keep).
#[derive(Debug)]
pub(crate) struct Reserved {
    names: Names,
    name: String,
    /// Its lock says that somebody is at work: the name is not stale although the container does not exist yet.
    file: Option<File>,
}

impl Names {
    /// Of the containers in that data folder. Nothing is made before the first reservation.
    pub(crate) fn new(data: &Path) -> Self {
        Self { dir: data.join("names"), containers: data.join("containers") }
    }

    /// Takes the wanted name, or a made-up one, for the container `id`, which is about to be made.
    pub(crate) fn reserve(&self, wanted: Option<&str>, id: &str) -> Result<Reserved> {
        let lock = self.lock(true)?.expect("the folder was made");
        if let Some(wanted) = wanted {
            let name = check(wanted)?;
            return match self.take(&lock, name, id)? {
                Taken::Ours(reserved) => Ok(reserved),
                Taken::By(other) => Err(conflict(name, &other)),
            };
        }
        for attempt in 0..MADE_UP_TRIES {
            let mut name = words::made_up()?;
            if attempt > 0 {
                name.push_str(&pick(10)?.to_string());
            }
            if let Taken::Ours(reserved) = self.take(&lock, &name, id)? {
                return Ok(reserved);
            }
        }
        let name = &id[..SHORT_ID_DIGITS.min(id.len())];
        match self.take(&lock, name, id)? {
            Taken::Ours(reserved) => Ok(reserved),
            Taken::By(other) => Err(conflict(name, &other)),
        }
    }

    /// The id of the container of that name.
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<String>> {
        match check(name) {
            Ok(name) => self.read(name).context(|| format!("can't read the name `{name}`")),
            Err(_) => Ok(None),
        }
    }

    /// Gives a name back, if that container still has it.
    pub(crate) fn release(&self, name: &str, id: &str) -> Result<()> {
        let name = check(name)?;
        let words = || format!("can't release the name `{name}`");
        let Some(_lock) = self.lock(false)? else { return Ok(()) };
        if self.read(name).context(words)?.as_deref() == Some(id) {
            fs::remove_file(self.dir.join(name)).context(words)?;
        }
        Ok(())
    }

    /// Gives the container `id` the name `new` in place of `old`; `write` writes its record in between. Killed on the way,
    /// it has both, and gives back the one that its record does not say when it is removed.
    pub(crate) fn rename(&self, old: &str, new: &str, id: &str, write: impl FnOnce(&str) -> Result<()>) -> Result<()> {
        let lock = self.lock(true)?.expect("the folder was made");
        let name = check(new)?;
        let reserved = match self.take(&lock, name, id)? {
            Taken::Ours(reserved) => reserved,
            Taken::By(other) => return Err(conflict(name, &other)),
        };
        drop(lock);
        write(name)?;
        reserved.keep();
        self.release(old, id)
    }

    /// Removes stale names, which killed processes left. They are in nobody's way; they only gather dust. `known`: names of
    /// containers that are there, and so are not stale.
    pub(crate) fn sweep(&self, known: &HashSet<&str>) -> Result<()> {
        let words = || format!("can't sweep `{}`", self.dir.display());
        let Some(_lock) = self.lock(false)? else { return Ok(()) };
        for entry in fs::read_dir(&self.dir).context(words)? {
            let entry = entry.context(words)?;
            if let Some(name) = entry.file_name().to_str()
                && !known.contains(name)
                && self.holder(name).context(words)?.is_none()
            {
                fs::remove_file(entry.path()).context(words)?;
            }
        }
        Ok(())
    }

    /// The lock under which names change. `None`: there is no folder, hence no names.
    fn lock(&self, make: bool) -> Result<Option<File>> {
        let words = || format!("can't lock `{}`", self.dir.display());
        let folder = match File::open(&self.dir) {
            Err(cause) if cause.kind() == ErrorKind::NotFound && make => {
                crate::record::make_private_dirs(&self.dir)
                    .context(|| format!("can't make `{}`", self.dir.display()))?;
                File::open(&self.dir)
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            other => other,
        };
        let folder = folder.context(words)?;
        rustix::io::retry_on_intr(|| flock(&folder, FlockOperation::LockExclusive))
            .map_err(std::io::Error::from)
            .context(words)?;
        Ok(Some(folder))
    }

    /// Makes the name's file, or takes over a stale one. The proof of the lock is only looked at by the compiler.
    fn take(&self, _lock: &File, name: &str, id: &str) -> Result<Taken> {
        let words = || format!("can't reserve the name `{name}`");
        let path = self.dir.join(name);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                if let Some(other) = self.holder(name).context(words)? {
                    return Ok(Taken::By(other));
                }
                fs::remove_file(&path).context(words)?;
                OpenOptions::new().write(true).create_new(true).open(&path)
            }
            other => other,
        }
        .context(words)?;
        // Nobody else can have locked it: that takes the folder's lock.
        let written = flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(id.as_bytes()));
        if let Err(cause) = written {
            // An empty file is stale anyway, and the first failure is the one to tell (a full disk, mostly).
            let _ = fs::remove_file(&path);
            return Err(cause).context(words);
        }
        Ok(Taken::Ours(Reserved { names: self.clone(), name: name.to_owned(), file: Some(file) }))
    }

    /// Who has the name: a container that exists, or one that is being made. `None` for a stale name.
    fn holder(&self, name: &str) -> std::io::Result<Option<String>> {
        let mut file = File::open(self.dir.join(name))?;
        let id = read_id(&mut file)?;
        let is_reserved = match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => false,
            Err(rustix::io::Errno::WOULDBLOCK) => true,
            Err(errno) => return Err(errno.into()),
        };
        // Asked after the lock: who lets go of it has made the container, or has taken the name away.
        let exists = is_id(&id) && self.containers.join(&id).try_exists()?;
        Ok((is_reserved || exists).then_some(id))
    }

    fn read(&self, name: &str) -> std::io::Result<Option<String>> {
        match File::open(self.dir.join(name)) {
            // What is no id was left by a kill between two system calls.
            Ok(mut file) => Ok(Some(read_id(&mut file)?).filter(|id| is_id(id))),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}

enum Taken {
    Ours(Reserved),
    By(String),
}

impl Reserved {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The container exists now; the name stays with it.
    pub(crate) fn keep(mut self) -> String {
        if let Some(file) = self.file.take() {
            // Said, not left to the closing: a child that another thread forks right now holds a copy of the descriptor.
            let _ = flock(&file, FlockOperation::Unlock);
        }
        std::mem::take(&mut self.name)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.file.is_none() {
            return;
        }
        // While our lock is on the file nobody takes it over, so this is our file. Failing costs nothing: the name is
        // stale as soon as we are gone.
        if let Ok(Some(_lock)) = self.names.lock(false) {
            let _ = fs::remove_file(self.names.dir.join(&self.name));
        }
    }
}

/// The name without the slash that Docker allows before it.
fn check(name: &str) -> Result<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let mut bytes = bare.bytes();
    let is_valid = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bare.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !is_valid {
        let text = format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        return Err(Error::invalid(text));
    }
    if bare.len() > MAX_NAME_BYTES {
        let text = format!("Invalid container name: {} characters, more than {MAX_NAME_BYTES}", bare.len());
        return Err(Error::invalid(text));
    }
    Ok(bare)
}

fn conflict(name: &str, holder: &str) -> Error {
    let text = format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or \
         rename) that container to be able to reuse that name."
    );
    Error::new(Kind::Conflict, text)
}

fn read_id(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_ID_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// 64 lower-case hexadecimal digits?
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A new container's id: 64 random hexadecimal digits, not only decimal ones among the first twelve, for those become
/// the host name, and some programs take a number for an address.
pub(crate) fn new_id() -> Result<String> {
    loop {
        let id = random_hex()?;
        if id[..SHORT_ID_DIGITS].bytes().any(|digit| !digit.is_ascii_digit()) {
            return Ok(id);
        }
    }
}

/// 64 random hexadecimal digits, as anonymous volumes are named too.
pub(crate) fn random_hex() -> Result<String> {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in random::<32>()? {
        write!(hex, "{byte:02x}").expect("writing to a String can't fail");
    }
    Ok(hex)
}

/// A random number below `count`. The tiny preference for low numbers (2⁶⁴ is no multiple) is no matter for names.
fn pick(count: usize) -> Result<usize> {
    let number = u64::from_ne_bytes(random()?) % count as u64;
    Ok(usize::try_from(number).expect("below a usize"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole (getrandom(2)), once the kernel has gathered entropy at boot.
    rustix::io::retry_on_intr(|| getrandom(&mut bytes, GetRandomFlags::empty()))
        .map_err(std::io::Error::from)
        .context(|| "can't get random bytes from the kernel")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
