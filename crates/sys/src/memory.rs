//! Memory that a process which lives long has no use for while it rests.

/// Gives back what the allocator keeps for later, and what the stack was once deeper; and says which pages of the program
/// could be let go last of all, right before the rest.
pub fn give_back() -> Program {
    // Not worth an error: the pages stay.
    let unchanged = std::fs::read_to_string("/proc/self/smaps").map_or_else(|_| Vec::new(), |smaps| unchanged(&smaps));
    forget_stack();
    trim();
    Program(unchanged)
}

/// The parts of this program that are as they are in its file.
#[derive(Debug)]
pub struct Program(Vec<(usize, usize)>);

impl Program {
    /// Lets its pages go. They come back from the page cache when they are needed, so whoever calls this should soon wait.
    pub fn forget(&self) {
        for &(begin, end) in &self.0 {
            forget(begin, end);
        }
    }
}

/// malloc_trim(3).
#[allow(unsafe_code, reason = "the C library's own call")]
#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it takes a plain number, and locks what it touches.
    unsafe { libc::malloc_trim(0) };
}

/// This C library gives it back by itself.
#[cfg(not(target_env = "gnu"))]
fn trim() {}

/// What lies more than a page below the frame of this function.
#[inline(never)]
fn forget_stack() {
    const PAGE: usize = 4096;
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Some((begin, _)) = maps.lines().find(|line| line.ends_with("[stack]")).and_then(range) else { return };
    let here = (&raw const begin).addr() & !(PAGE - 1);
    // Room for what runs below us: this call.
    forget(begin, here.saturating_sub(4 * PAGE));
}

/// Mappings of files that cannot be written, and of which no page was: `(first, end)`.
fn unchanged(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(place) = range(line) {
            // Permissions, offset, device and inode; the inode is 0 for what is no file (proc_pid_maps(5)).
            let mut fields = line.split_whitespace().skip(1);
            let is_read_only = fields.next().is_some_and(|rights| rights.starts_with("r-") && rights.ends_with('p'));
            let is_file = fields.nth(2).is_some_and(|inode| inode != "0");
            candidate = Some(place).filter(|_| is_read_only && is_file);
        } else if let Some(size) = line.strip_prefix("Anonymous:")
            && let Some(place) = candidate.take()
            && size.trim() == "0 kB"
        {
            found.push(place);
        }
    }
    found
}

/// The addresses at the beginning of a line of maps or smaps.
fn range(line: &str) -> Option<(usize, usize)> {
    let (begin, end) = line.split_whitespace().next()?.split_once('-')?;
    Some((usize::from_str_radix(begin, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// madvise(2), `MADV_DONTNEED`.
#[allow(unsafe_code, reason = "the call has no safe wrapper")]
fn forget(begin: usize, end: usize) {
    if begin < end {
        // SAFETY: the callers choose pages that are as they are in their file, from where they come back, and such below
        // the stack in use, which hold nothing any more.
        unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unchanged_parts_of_files_are_found() {
        let smaps = "\
55550000-55560000 r--p 00000000 fe:00 12 /a\nRss: 4 kB\nAnonymous: 0 kB\nVmFlags: rd\n\
55560000-55570000 r-xp 00010000 fe:00 12 /a\nAnonymous:             0 kB\n\
55570000-55580000 r--p 00020000 fe:00 12 /a\nAnonymous:           724 kB\n\
55580000-55590000 rw-p 00030000 fe:00 12 /a\nAnonymous: 0 kB\n\
55590000-555a0000 r--p 00000000 00:00 0\nAnonymous: 0 kB\n\
555a0000-555b0000 r--s 00000000 fe:00 12 /a\nAnonymous: 0 kB\n";
        assert_eq!(unchanged(smaps), [(0x5555_0000, 0x5556_0000), (0x5556_0000, 0x5557_0000)]);
    }

    #[test]
    fn all_still_works_with_what_was_given_back() {
        let text: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let program = give_back();
        assert!(!program.0.is_empty());
        program.forget();
        assert_eq!(text.concat().len(), 2890);
        give_back().forget();
    }
}
