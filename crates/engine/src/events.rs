//! What happens is written down by whoever does it, a command or a monitor: there is no daemon to ask.
//!
//! ```text
//! <data>/events.log       one api::Event a line, each written at once by append; nobody's who is not the user
//! <data>/events.log.1     the file before it
//! ```
//! Writers hold the file's lock shared, for one write; who moves a full file aside holds it alone. So a line is whole,
//! and none comes into a file after its place has been taken. Who follows and does not come to look while more than two
//! files are filled misses what was in between.

use crate::logs::watch::Watch;
use crate::record::Record;
use api::{Actor, Event, Events};
use error::{Result, ResultExt};
use jiff::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file with so many bytes is full: two of them hold some ten thousand events, hours of a busy machine.
const MAX_FILE_BYTES: u64 = 2 << 20;
/// A line is written in one piece, and a label can have any length.
const MAX_LINE_BYTES: usize = 64 << 10;
/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Writes an event down, which happened now, in the user's folder.
///
/// That it cannot is told to nobody: what it tells of has happened, and must not fail for it.
pub(crate) fn tell(data: &Path, event: Event) {
    let _ = append(data, event);
}

/// The same for something that happened to a container.
pub(crate) fn tell_of(data: &Path, record: &Record, action: &str, more: &[(&str, String)]) {
    let mut attributes = record.request.labels.clone();
    attributes.insert("image".to_owned(), record.request.image.clone());
    attributes.insert("name".to_owned(), record.name.clone());
    attributes.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let actor = Actor { id: record.id.clone(), attributes };
    let event = Event { from: record.request.image.clone(), ..event("container", action, actor) };
    tell(data, event);
}

/// The same by the container's folder, for who knows no other.
pub(crate) fn tell_in(dir: &Path, record: &Record, action: &str, more: &[(&str, String)]) {
    // A folder that is nobody's has nobody to tell.
    if let Ok((_, data)) = crate::remove::parents(dir) {
        tell_of(data, record, action, more);
    }
}

/// The same for an image of that name, or an id.
pub(crate) fn tell_of_image(data: &Path, action: &str, name: &str) {
    let actor = Actor { id: name.to_owned(), attributes: [("name".to_owned(), name.to_owned())].into() };
    tell(data, event("image", action, actor));
}

/// The same for a volume.
pub(crate) fn tell_of_volume(data: &Path, action: &str, name: &str) {
    let actor = Actor { id: name.to_owned(), attributes: [("driver".to_owned(), "local".to_owned())].into() };
    tell(data, event("volume", action, actor));
}

fn event(kind: &str, action: &str, actor: Actor) -> Event {
    let (status, id) = (action.to_owned(), actor.id.clone());
    Event { kind: kind.to_owned(), action: action.to_owned(), status, id, actor, ..Event::default() }
}

fn path(data: &Path) -> PathBuf {
    data.join("events.log")
}

fn before(data: &Path) -> PathBuf {
    data.join("events.log.1")
}

fn append(data: &Path, mut event: Event) -> io::Result<()> {
    let path = path(data);
    loop {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        file.lock_shared()?;
        if !is_at(&file, &path)? {
            continue; // moved aside while we waited
        }
        if file.metadata()?.len() >= MAX_FILE_BYTES {
            move_aside(&file, &path, &before(data))?;
            continue;
        }
        // Known as late as can be: the order of the lines is that of their times, as nearly as may be.
        let now = Timestamp::now();
        event.scope = "local".to_owned();
        event.time = now.as_second();
        event.time_nano = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        if line.len() > MAX_LINE_BYTES {
            // Without its labels it fits.
            event
                .actor
                .attributes
                .retain(|key, value| key.len() + value.len() < 1024 && matches!(key.as_str(), "name" | "image"));
            line = serde_json::to_vec(&event)?;
            line.push(b'\n');
        }
        return file.write_all(&line);
    }
}

/// Is it the file that is there?
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.ino() == file.metadata()?.ino()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Once nobody writes to it any more; one of us does it.
fn move_aside(file: &File, path: &Path, to: &Path) -> io::Result<()> {
    // Whoever waits for both kinds of lock at once waits for ever.
    file.unlock()?;
    file.lock()?;
    if is_at(file, path)? {
        fs::rename(path, to)?;
    }
    file.unlock()
}

/// Gives the events that are asked for to `sink`, until it wants no more or nothing more can come.
pub(crate) fn events(data: &Path, request: &Events, sink: &mut dyn FnMut(Event) -> ControlFlow<()>) -> Result<()> {
    // Before the first look: what happens in between wakes us.
    let watch = Watch::new(data);
    let mut sink = |line: &[u8]| match serde_json::from_slice::<Event>(line) {
        // A line that is none was damaged by a power cut.
        Err(_) => ControlFlow::Continue(()),
        Ok(event) if request.since.is_some_and(|since| event.time_nano < since) => ControlFlow::Continue(()),
        Ok(event) if request.until.is_some_and(|until| event.time_nano > until) => ControlFlow::Continue(()),
        Ok(event) => sink(event),
    };
    let words = || format!("can't read `{}`", path(data).display());
    let mut cursor = Cursor::open(&path(data)).context(words)?;
    if request.since.is_none() {
        cursor.skip().context(words)?;
    } else if let ControlFlow::Break(()) =
        Cursor::open(&before(data)).and_then(|mut old| old.read(&mut sink)).context(words)?
    {
        return Ok(());
    }
    loop {
        // Asked first: a file that has lost its place gets no more lines.
        let is_last = !cursor.is_current(&path(data)).context(words)?;
        if let ControlFlow::Break(()) = cursor.read(&mut sink).context(words)? {
            return Ok(());
        }
        if is_last {
            let next = Cursor::open(&path(data)).context(words)?;
            let mut between = Cursor::open(&before(data)).context(words)?;
            let is_unread = cursor.file.is_some() && ![cursor.inode, next.inode].contains(&between.inode);
            if is_unread && let ControlFlow::Break(()) = between.read(&mut sink).context(words)? {
                return Ok(());
            }
            cursor = next;
            if cursor.file.is_some() {
                continue;
            }
        }
        let left = request.until.map(time_left);
        if left == Some(Duration::ZERO) {
            return Ok(());
        }
        watch.wait(left);
    }
}

fn time_left(until: i64) -> Duration {
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    u64::try_from(until.saturating_sub(now)).map_or(Duration::ZERO, Duration::from_nanos)
}

/// A file that grows, read as far as it has grown.
struct Cursor {
    /// `None` while nothing has happened.
    file: Option<File>,
    inode: Option<u64>,
    /// The beginning of a line.
    partial: Vec<u8>,
}

impl Cursor {
    fn open(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        let inode = file.as_ref().map(File::metadata).transpose()?.map(|meta| meta.ino());
        Ok(Self { file, inode, partial: Vec::new() })
    }

    fn is_current(&self, path: &Path) -> io::Result<bool> {
        self.file.as_ref().map_or(Ok(false), |file| is_at(file, path))
    }

    /// To its end.
    fn skip(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) => io::Seek::seek(file, io::SeekFrom::End(0)).map(drop),
            None => Ok(()),
        }
    }

    /// Gives on every whole line that is new.
    fn read(&mut self, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        let Some(file) = &mut self.file else { return Ok(ControlFlow::Continue(())) };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            self.partial.extend_from_slice(&chunk[..count]);
            while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                if let ControlFlow::Break(()) = sink(&line) {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    fn told(data: &Path, request: &Events) -> Vec<String> {
        let mut names = Vec::new();
        events(data, request, &mut |event| {
            names.push(event.actor.id);
            ControlFlow::Continue(())
        })
        .unwrap();
        names
    }

    fn now() -> i64 {
        i64::try_from(Timestamp::now().as_nanosecond()).unwrap()
    }

    #[test]
    fn what_happened_is_told_in_order_and_within_its_time() {
        let data = Folder::new();
        let all = || Events { since: Some(0), until: Some(now()) };
        assert_eq!(told(&data, &all()), Vec::<String>::new());
        tell_of_image(&data, "pull", "a");
        let middle = now();
        tell_of_image(&data, "pull", "b");
        fs::write(path(&data), [&fs::read(path(&data)).unwrap()[..], b"{damaged\n"].concat()).unwrap();
        tell_of_image(&data, "pull", "c");
        assert_eq!(told(&data, &all()), ["a", "b", "c"]);
        assert_eq!(told(&data, &Events { since: Some(middle), ..all() }), ["b", "c"]);
        assert_eq!(told(&data, &Events { since: Some(0), until: Some(middle) }), ["a"]);
        assert_eq!(told(&data, &Events { since: None, until: Some(now()) }), Vec::<String>::new());
        let mut first = None;
        events(&data, &all(), &mut |event| {
            first = Some(event);
            ControlFlow::Break(())
        })
        .unwrap();
        let first = first.unwrap();
        assert_eq!((first.kind.as_str(), first.action.as_str(), first.scope.as_str()), ("image", "pull", "local"));
        assert_eq!(first.time, first.time_nano / 1_000_000_000);
    }

    #[test]
    fn a_full_file_moves_aside_and_a_follower_misses_nothing() {
        const WRITERS: usize = 4;
        // Enough for more than one file and less than two: a follower may be as slow as it likes.
        const EACH: usize = 1300;
        let data = Folder::new();
        let label = "x".repeat(400);
        let wanted = WRITERS * EACH;
        let seen = std::thread::scope(|scope| {
            let follower = scope.spawn(|| {
                let mut seen = Vec::new();
                let request = Events { since: Some(0), until: None };
                events(&data, &request, &mut |event| {
                    seen.push(event.actor.id);
                    if seen.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
                .unwrap();
                seen
            });
            for writer in 0..WRITERS {
                let (data, label) = (&*data, &label);
                scope.spawn(move || {
                    for number in 0..EACH {
                        let attributes = [("label".to_owned(), label.clone())].into();
                        tell(data, event("volume", "create", Actor { id: format!("{writer} {number}"), attributes }));
                    }
                });
            }
            follower.join().unwrap()
        });
        for writer in 0..WRITERS {
            let own: Vec<&String> = seen.iter().filter(|id| id.starts_with(&format!("{writer} "))).collect();
            let expected: Vec<String> = (0..EACH).map(|number| format!("{writer} {number}")).collect();
            assert_eq!(own, expected.iter().collect::<Vec<_>>());
        }
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        // All of them may have been about to write the last line.
        let most = MAX_FILE_BYTES + WRITERS as u64 * 1024;
        assert!(size(path(&data)) < most && (MAX_FILE_BYTES..most).contains(&size(before(&data))));
    }

    #[test]
    fn a_label_of_any_length_makes_no_endless_line() {
        let data = Folder::new();
        let attributes = [("name".to_owned(), "web".to_owned()), ("long".to_owned(), "x".repeat(100_000))].into();
        tell(&data, event("container", "start", Actor { id: "1".into(), attributes }));
        assert!(fs::read(path(&data)).unwrap().len() < 1000);
        assert_eq!(told(&data, &Events { since: Some(0), until: Some(now()) }), ["1"]);
    }
}
