//! The tar as a stream: entries one after another, each followed by its content.
//!
//! Global pax headers are passed over, as Docker and containerd do. After the end mark anything may follow (GNU tar
//! pads with zeros); it belongs to the diff ID, and is read but not looked at.

use crate::entry::{self, Entry, RawSparse};
use crate::inflate::Pieces;
use crate::limits::{HEADER_BYTES, METADATA_BYTES, SPARSE_PIECES};
use error::{Error, Result};
use tar_core::HEADER_SIZE;
use tar_core::parse::{Limits, ParseEvent, Parser};

/// Reads entries from pieces.
pub(crate) struct Archive<'a> {
    pieces: &'a Pieces,
    parser: Parser,
    /// The current piece, and how much of it is done with.
    piece: Vec<u8>,
    done: usize,
    /// Content of the current entry not read yet, and the blanks after it.
    content: u64,
    padding: u64,
    ended: bool,
}

enum Found {
    Entry(Box<Entry>),
    More(usize),
    Passed,
    End,
}

impl<'a> Archive<'a> {
    pub(crate) fn new(pieces: &'a Pieces) -> Self {
        let mut parser = Parser::new(Limits {
            max_metadata_size: METADATA_BYTES,
            max_sparse_entries: SPARSE_PIECES,
            ..Limits::default()
        });
        // What is malformed is judged by `entry`; the parser alone would refuse a time before 1970.
        parser.set_ignore_pax_errors(true);
        Self { pieces, parser, piece: Vec::new(), done: 0, content: 0, padding: 0, ended: false }
    }

    /// The next entry; what was not read of the one before is skipped. `None` at the end of the archive, which may
    /// lack its end mark but must not break off inside an entry.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        self.skip()?;
        loop {
            match self.parse()? {
                Found::Entry(entry) => return Ok(Some(*entry)),
                Found::Passed => {}
                Found::End => return Ok(None),
                Found::More(bytes) => {
                    // The parser's wish may be met already (it looks for a line's end): then it gets the next piece.
                    let bytes = bytes.max(self.piece.len() - self.done + 1);
                    if bytes > HEADER_BYTES {
                        return Err(Error::invalid("the headers of an entry in the archive are too large"));
                    }
                    if !self.gather(bytes)? {
                        // One block of zeros, or none, is a poor end mark that all readers accept.
                        let rest = &self.piece[self.done..];
                        let ended = rest.len() <= HEADER_SIZE && rest.iter().all(|&byte| byte == 0);
                        return if ended { Ok(None) } else { Err(truncated()) };
                    }
                }
            }
        }
    }

    fn parse(&mut self) -> Result<Found> {
        let input = &self.piece[self.done..];
        let event = self
            .parser
            .parse(input)
            .map_err(|cause| Error::invalid(format!("the archive is not a valid tar archive: {cause}")))?;
        let (consumed, parsed, sparse) = match event {
            ParseEvent::NeedData { min_bytes } => return Ok(Found::More(min_bytes)),
            ParseEvent::End { .. } => return Ok(Found::End),
            ParseEvent::GlobalExtensions { consumed, .. } => {
                self.done += consumed;
                return Ok(Found::Passed);
            }
            ParseEvent::Entry { consumed, entry } => (consumed, entry, None),
            ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size } => {
                // The map of pax 1.0 stands after the header, and counts as content. That of old GNU does not.
                let header = std::ptr::from_ref(entry.header).addr() - input.as_ptr().addr();
                let after = (consumed - header - HEADER_SIZE) as u64;
                let map_bytes = if entry.entry_type.is_gnu_sparse() { 0 } else { after };
                (consumed, entry, Some(RawSparse { map: sparse_map, real_size, map_bytes }))
            }
        };
        let (entry, content) = entry::settle(&parsed, sparse)?;
        self.done += consumed;
        self.content = content;
        self.padding = content.wrapping_neg() % HEADER_SIZE as u64;
        Ok(Found::Entry(Box::new(entry)))
    }

    /// The next bytes of the current entry's content, at most `limit`; empty at its end.
    pub(crate) fn content(&mut self, limit: u64) -> Result<&[u8]> {
        let wanted = self.content.min(limit);
        if wanted == 0 {
            return Ok(&[]);
        }
        if self.done == self.piece.len() && !self.gather(1)? {
            return Err(truncated());
        }
        let start = self.done;
        let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.piece.len() - start);
        self.done += length;
        self.content -= length as u64;
        Ok(&self.piece[start..start + length])
    }

    fn skip(&mut self) -> Result<()> {
        let padding = std::mem::take(&mut self.padding);
        // No overflow: contents end below 2^63, or the archive would have to be that long.
        self.content = self.content.checked_add(padding).ok_or_else(truncated)?;
        while self.content > 0 {
            self.content(u64::MAX)?;
        }
        Ok(())
    }

    /// Reads on to the end of the pieces, whatever they hold.
    pub(crate) fn drain(mut self) -> Result<()> {
        self.pieces.recycle(std::mem::take(&mut self.piece));
        while !self.ended {
            match self.pieces.next()? {
                Some(piece) => self.pieces.recycle(piece),
                None => self.ended = true,
            }
        }
        Ok(())
    }

    /// Makes at least `bytes` readable in one piece; `false` if the archive ends before.
    fn gather(&mut self, bytes: usize) -> Result<bool> {
        while self.piece.len() - self.done < bytes {
            if self.ended {
                return Ok(false);
            }
            let Some(next) = self.pieces.next()? else {
                self.ended = true;
                return Ok(false);
            };
            if self.done == self.piece.len() {
                self.pieces.recycle(std::mem::replace(&mut self.piece, next));
            } else {
                self.piece.drain(..self.done);
                self.piece.extend_from_slice(&next);
                self.pieces.recycle(next);
            }
            self.done = 0;
        }
        Ok(true)
    }
}

fn truncated() -> Error {
    Error::invalid("the archive is truncated")
}
