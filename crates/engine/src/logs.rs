//! `logs`: what a container said, from its json-file log; with `follow`, until it ends.

use crate::Engine;
use crate::record::file;
use api::{LogEntry, Logs, State};
use error::{Error, Result, ResultExt};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

/// How often a followed log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// Gives each entry to `sink`, in order.
pub(crate) fn logs(engine: &Engine, request: &Logs, sink: &mut dyn FnMut(LogEntry) -> Result<()>) -> Result<()> {
    let find = || engine.containers.find(&engine.names, &request.container);
    let missing = || Error::not_found(format!("No such container: {}", request.container));
    let container = find()?.ok_or_else(missing)?;
    let path = container.dir.join(file::LOG);
    let mut log = Reader::open(&path)?;
    let mut last = VecDeque::new();
    while let Some(entry) = log.next()? {
        match request.tail {
            None => sink(entry)?,
            Some(tail) => {
                last.push_back(entry);
                if last.len() as u64 > tail {
                    last.pop_front();
                }
            }
        }
    }
    last.into_iter().try_for_each(&mut *sink)?;
    if !request.follow {
        return Ok(());
    }
    loop {
        // Looked at before the log, so that nothing said in between is missed.
        let runs = find()?.is_some_and(|container| container.state == State::Running);
        if log.file.is_none() {
            log = Reader::open(&path)?;
        }
        while let Some(entry) = log.next()? {
            sink(entry)?;
        }
        if !runs {
            return Ok(());
        }
        std::thread::sleep(FOLLOW_EVERY);
    }
}

struct Reader {
    /// `None` while nothing has been said.
    file: Option<BufReader<File>>,
    /// The beginning of a line that is still being written.
    partial: Vec<u8>,
    name: String,
}

impl Reader {
    fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = match File::open(path) {
            Ok(file) => Some(BufReader::new(file)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(cause).context(|| format!("can't open the log `{name}`")),
        };
        Ok(Self { file, partial: Vec::new(), name })
    }

    /// The next whole line; `None` when there is none yet.
    fn next(&mut self) -> Result<Option<LogEntry>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let words = || format!("can't read the log `{}`", self.name);
        file.read_until(b'\n', &mut self.partial).context(words)?;
        if !self.partial.ends_with(b"\n") {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.partial);
        serde_json::from_slice(&line).map(Some).map_err(std::io::Error::from).context(words)
    }
}
