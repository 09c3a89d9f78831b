//! Following a blob: reading its file while another thread still writes it.

use error::{Error, Kind, Result, ResultExt};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Readers are woken for so many new bytes, not for each packet: a wake-up costs more than copying them.
const WAKE_BYTES: u64 = 256 << 10;

/// How far a blob's file has come; one writer tells, any number of readers wait.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    path: PathBuf,
    available: u64,
    /// Of which the readers were told.
    told: u64,
    /// Grows when bytes already offered turned out to be wrong.
    generation: u32,
    end: End,
}

#[derive(Debug, Default)]
enum End {
    /// Nobody writes yet.
    #[default]
    Unborn,
    Growing,
    Complete,
    Failed(Error),
}

impl Follow {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// The file is there, with this many right bytes.
    pub(crate) fn begin(&self, path: &Path, available: u64) {
        self.change(|state| {
            state.path = path.to_owned();
            (state.available, state.told) = (available, available);
            state.end = End::Growing;
        });
    }

    pub(crate) fn grow(&self, available: u64) {
        let mut state = self.lock();
        state.available = available;
        if available - state.told >= WAKE_BYTES {
            state.told = available;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The bytes offered so far were wrong: readers fail, and may begin again.
    pub(crate) fn restart(&self) {
        self.change(|state| {
            (state.available, state.told) = (0, 0);
            state.generation += 1;
        });
    }

    /// All is there and verified. `rename` gives the file its final name; no reader opens it meanwhile.
    pub(crate) fn complete(&self, path: &Path, size: u64, rename: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut state = self.lock();
        rename()?;
        let generation = state.generation;
        *state = State { path: path.to_owned(), available: size, told: size, generation, end: End::Complete };
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    pub(crate) fn fail(&self, error: &Error) {
        self.change(|state| {
            if !matches!(state.end, End::Complete) {
                state.end = End::Failed(error.clone());
            }
        });
    }

    pub(crate) fn generation(&self) -> u32 {
        self.lock().generation
    }

    /// Waits until the file is there; then its bytes can be read as they come.
    pub(crate) fn reader(&self) -> Result<Follower<'_>> {
        let mut state = self.lock();
        loop {
            match &state.end {
                End::Unborn => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                End::Growing | End::Complete => break,
                End::Failed(error) => return Err(error.clone()),
            }
        }
        let file = File::open(&state.path).context(|| format!("can't read `{}`", state.path.display()))?;
        Ok(Follower { follow: self, file, position: 0, generation: state.generation })
    }
}

/// A reader of a blob that may still grow. It ends where the blob ends, and fails when the download fails.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    follow: &'a Follow,
    file: File,
    position: u64,
    generation: u32,
}

impl Follower<'_> {
    /// Waits for bytes beyond the position; 0 at the end.
    fn readable(&self) -> io::Result<u64> {
        let mut state = self.follow.lock();
        loop {
            if state.generation != self.generation {
                return Err(io::Error::other("the download was damaged and begins again"));
            }
            if let End::Failed(error) = &state.end {
                let kind = match error.kind {
                    // Not `Interrupted`: readers repeat a read that ends so.
                    Kind::Interrupted => io::ErrorKind::ConnectionAborted,
                    _ => io::ErrorKind::Other,
                };
                return Err(io::Error::new(kind, error.to_string()));
            }
            if state.available > self.position || matches!(state.end, End::Complete) {
                return Ok(state.available - self.position);
            }
            state = self.follow.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Read for Follower<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let readable = usize::try_from(self.readable()?).unwrap_or(usize::MAX);
        let count = readable.min(buffer.len());
        let read = self.file.read(&mut buffer[..count])?;
        if read == 0 && count > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the blob's file became shorter"));
        }
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("isolazi-follow-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_reader_gets_bytes_as_they_come_and_the_end_when_it_is_there() {
        let path = scratch("grows");
        let follow = Follow::default();
        let read = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut bytes = Vec::new();
                follow.reader().unwrap().read_to_end(&mut bytes).unwrap();
                bytes
            });
            let mut file = File::options().write(true).create(true).truncate(true).open(&path).unwrap();
            follow.begin(&path, 0);
            for part in [b"ab", b"cd"] {
                file.write_all(part).unwrap();
                follow.grow(file.metadata().unwrap().len());
            }
            follow.complete(&path, 4, || Ok(())).unwrap();
            reader.join().unwrap()
        });
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, b"abcd");
    }

    #[test]
    fn a_failed_or_damaged_download_fails_its_readers() {
        let path = scratch("fails");
        std::fs::write(&path, b"ab").unwrap();
        let follow = Follow::default();
        follow.begin(&path, 2);
        let mut reader = follow.reader().unwrap();
        let mut bytes = [0; 2];
        reader.read_exact(&mut bytes).unwrap();
        follow.restart();
        assert_eq!(reader.read(&mut bytes).unwrap_err().to_string(), "the download was damaged and begins again");
        follow.fail(&Error::invalid("gone"));
        assert_eq!(follow.reader().unwrap_err().to_string(), "gone");
        std::fs::remove_file(&path).unwrap();
    }
}
