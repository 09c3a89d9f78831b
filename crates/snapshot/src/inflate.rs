//! A blob's bytes become the tar's bytes: gzip, zstd or neither, told by the first bytes and not by the media type,
//! which registries and builders get wrong. On the way they are counted and hashed, and handed on in large pieces.

use crate::limits::{Limits, ZSTD_WINDOW_LOG};
use error::{Error, Result, ResultExt};
use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Bytes of a piece: a multiple of the tar block, small enough for the processor's cache.
pub(crate) const PIECE_BYTES: usize = 128 << 10;

/// Pieces on the way; enough that neither side waits for the other's short pauses.
const PIECES: usize = 8;

/// Bytes read at once from the blob.
const INPUT_BYTES: usize = 64 << 10;

/// First bytes of a gzip member (RFC 1952) and of a zstd frame (RFC 8878), which may be a skippable one.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The reading end: pieces in order, then the end, or an error if the writing end failed.
pub(crate) struct Pieces {
    full: Receiver<Piece>,
    empty: SyncSender<Vec<u8>>,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// The writing end.
pub(crate) struct Feed {
    full: SyncSender<Piece>,
    empty: Receiver<Vec<u8>>,
}

/// A bounded way for pieces, whose buffers go round.
pub(crate) fn channel() -> (Feed, Pieces) {
    let (full_sender, full) = sync_channel(PIECES);
    let (empty, empty_receiver) = sync_channel(PIECES);
    (Feed { full: full_sender, empty: empty_receiver }, Pieces { full, empty })
}

impl Pieces {
    /// The next piece, or `None` at the end.
    pub(crate) fn next(&self) -> Result<Option<Vec<u8>>> {
        match self.full.recv() {
            Ok(Piece::Bytes(piece)) => Ok(Some(piece)),
            Ok(Piece::End) => Ok(None),
            // The writing end knows why; its error is the one reported.
            Err(_) => Err(Error::invalid("the archive ended early")),
        }
    }

    /// Gives a buffer back to be filled again.
    pub(crate) fn recycle(&self, mut piece: Vec<u8>) {
        if piece.capacity() > 2 * PIECE_BYTES {
            return; // grown for a long header; not worth keeping
        }
        piece.clear();
        match self.empty.try_send(piece) {
            // Enough buffers are waiting, or nobody fills them any more.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

/// Inflates all of `content` into `feed`; `seen` sees what comes out.
///
/// When the reading end has gone it stops, and what was seen is of no use: the other side's error is the one to report.
pub(crate) fn inflate(
    content: &mut dyn Read,
    feed: &Feed,
    limits: &Limits,
    on_progress: &dyn Fn(u64),
    seen: &mut dyn FnMut(&[u8]),
) -> Result<()> {
    let mut counted = Counted { content, bytes: 0, on_progress };
    let mut start = [0; 4];
    let length = fill(&mut counted, &mut start).context(|| "can't read the archive")?;
    let magic = start;
    let mut blob = BufReader::with_capacity(INPUT_BYTES, start[..length].chain(counted));
    if magic.starts_with(&GZIP) {
        let mut tar = flate2::bufread::MultiGzDecoder::new(blob);
        return pump(&mut tar, feed, limits, seen).map_err(|error| error.context("can't inflate the archive (gzip)"));
    }
    if magic == ZSTD || ((0x50..=0x5f).contains(&magic[0]) && magic[1..] == ZSTD_SKIPPABLE) {
        let mut tar = zstd::stream::read::Decoder::with_buffer(blob).context(|| "can't start zstd")?;
        tar.window_log_max(ZSTD_WINDOW_LOG).context(|| "can't limit zstd")?;
        return pump(&mut tar, feed, limits, seen).map_err(|error| error.context("can't inflate the archive (zstd)"));
    }
    pump(&mut blob, feed, limits, seen).map_err(|error| error.context("can't read the archive"))
}

fn pump(tar: &mut dyn Read, feed: &Feed, limits: &Limits, seen: &mut dyn FnMut(&[u8])) -> Result<()> {
    let mut total = 0u64;
    loop {
        let mut piece = feed.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES));
        piece.resize(PIECE_BYTES, 0);
        let length = fill(tar, &mut piece)?;
        piece.truncate(length);
        total += length as u64;
        if total > limits.bytes {
            return Err(Error::invalid(format!("the archive is larger than {} bytes", limits.bytes)));
        }
        seen(&piece);
        let last = length == 0;
        let sent = feed.full.send(if last { Piece::End } else { Piece::Bytes(piece) });
        if last || sent.is_err() {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or the input ends, so that tar blocks do not straddle pieces.
fn fill(tar: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match tar.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

struct Counted<'a> {
    content: &'a mut dyn Read,
    bytes: u64,
    on_progress: &'a dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        self.bytes += length as u64;
        (self.on_progress)(self.bytes);
        Ok(length)
    }
}
