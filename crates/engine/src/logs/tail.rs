//! Where the last n entries begin, found from the end: a log may be long.

use super::files::{Files, Open, READ_BYTES};
use crate::entry;
use error::{Result, ResultExt};
use std::io;
use std::os::unix::fs::FileExt;

impl Files {
    /// Leaves out all but the last entries.
    pub(super) fn skip_to_tail(&mut self, mut entries: u64) -> Result<()> {
        for index in (0..self.open.len()).rev() {
            let position = begin(&self.open[index], &mut entries).context(|| "can't read the container's log")?;
            if let Some(position) = position {
                self.open[index].position = position;
                self.open.drain(..index);
                break;
            }
        }
        Ok(())
    }
}

/// Where the last so many entries of a file begin; `None` when it has not more than these: then they are subtracted.
fn begin(open: &Open, entries: &mut u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; READ_BYTES];
    let mut end = open.end;
    // The break behind the last entry begins none; what stands behind it is no whole one.
    let mut breaks = 0;
    while end > 0 {
        let start = end.saturating_sub(READ_BYTES as u64);
        let mut length = usize::try_from(end - start).expect("no more than a block");
        let block = &mut block[..length];
        open.file.read_exact_at(block, start)?;
        while let Some(place) = entry::rfind(&block[..length], b'\n') {
            if breaks == *entries {
                return Ok(Some(start + place as u64 + 1));
            }
            breaks += 1;
            length = place;
        }
        end = start;
    }
    *entries -= breaks;
    Ok(None)
}
