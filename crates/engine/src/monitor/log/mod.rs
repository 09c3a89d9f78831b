//! The container's log: what the payload says, line by line, goes to whoever keeps it.
//!
//! When it cannot be kept (a full disk) the payload runs on and its clients hear everything; the first failure is told in
//! the container's status. A line longer than [`LINE_BYTES`] becomes several entries, as with Docker.

mod files;
mod journal;
mod pieces;

use crate::record::Record;
use api::LogDriver;
pub(super) use api::LogStream as Stream;
use error::{Error, Result, ResultExt};
use files::Files;
use journal::Journal;
use pieces::LINE_BYTES;
use std::path::Path;

/// The log of one container.
pub(super) struct Log {
    keeper: Keeper,
    /// The beginnings of lines that have not ended yet.
    partial: [Vec<u8>; 2],
}

enum Keeper {
    Files(Files),
    Journal(Journal),
    Nobody,
}

impl Log {
    /// The log of the container in `dir`, as its record wants it.
    pub(super) fn new(dir: &Path, record: &Record) -> Result<Self> {
        let keeper = Self::keeper(dir, record).context(|| "failed to initialize logging driver")?;
        Ok(Self { keeper, partial: [Vec::new(), Vec::new()] })
    }

    fn keeper(dir: &Path, record: &Record) -> Result<Keeper> {
        let logging = &record.request.logging;
        let tag = logging.tag(&|field| field_of(record, field))?;
        Ok(match logging.driver {
            LogDriver::JsonFile | LogDriver::Local => Keeper::Files(Files::new(dir, logging.limits()?, tag.as_deref())),
            LogDriver::Journald => Keeper::Journal(Journal::connect(record, tag.as_deref())?),
            LogDriver::None => Keeper::Nobody,
        })
    }

    /// Takes what a stream said; whole lines are kept at once.
    pub(super) fn take(&mut self, stream: Stream, mut bytes: &[u8]) {
        let partial = &mut self.partial[stream as usize];
        match &mut self.keeper {
            Keeper::Files(files) => {
                let end = files.end(stream);
                while !bytes.is_empty() {
                    let line = partial.is_empty().then(|| files.add_line(&bytes[..bytes.len().min(LINE_BYTES)], &end));
                    let length = line.flatten();
                    let length = length.unwrap_or_else(|| pieces::next(partial, bytes, |piece| files.add(piece, &end)));
                    bytes = &bytes[length..];
                }
                files.write();
            }
            Keeper::Journal(journal) => {
                while !bytes.is_empty() {
                    bytes = &bytes[pieces::next(partial, bytes, |piece| journal.send(stream, piece))..];
                }
            }
            Keeper::Nobody => {}
        }
    }

    /// Gives back what only a log at work needs.
    pub(super) fn rest(&mut self) {
        self.partial.iter_mut().for_each(Vec::shrink_to_fit);
        if let Keeper::Files(files) = &mut self.keeper {
            files.rest();
        }
    }

    /// Keeps what has no line end and never will have; says why something is missing.
    pub(super) fn finish(mut self) -> Option<Error> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.partial[stream as usize]);
            match &mut self.keeper {
                _ if rest.is_empty() => {}
                Keeper::Files(files) => {
                    let end = files.end(stream);
                    files.add(&rest, &end);
                    files.write();
                }
                Keeper::Journal(journal) => journal.send(stream, &rest),
                Keeper::Nobody => {}
            }
        }
        match self.keeper {
            Keeper::Files(files) => files.failed,
            Keeper::Journal(journal) => journal.failed,
            Keeper::Nobody => None,
        }
    }
}

/// What a tag may say of a container.
fn field_of(record: &Record, field: &str) -> String {
    let image = record.image_id.to_string();
    match field {
        "ID" => record.id[..12].to_owned(),
        "FullID" => record.id.clone(),
        "Name" => record.name.clone(),
        "ImageName" => record.request.image.clone(),
        "ImageID" => image.trim_start_matches("sha256:")[..12].to_owned(),
        "ImageFullID" => image,
        _ => String::new(),
    }
}
