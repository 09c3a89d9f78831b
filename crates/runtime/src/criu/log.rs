//! CRIU's logs: what says why it failed.

use error::{Error, Kind};
use std::path::Path;

/// How much of a log is read, from its end: the failure is there.
const MAX_BYTES: u64 = 4 << 20;

/// How many errors are repeated: what follows is a consequence.
const MAX_ERRORS: usize = 3;

/// The longest cause that an error repeats, in characters.
const MAX_CHARS: usize = 300;

/// The errors in a log without time and place in the source, up to where CRIU gives up; those left out that only say
/// that there was one. `None`: no error is in it.
///
/// ```text
/// (00.012345) Error (criu/mount.c:1088): mnt: Mount 12 ./data is unreachable
/// ```
pub(super) fn cause(log: &str) -> Option<String> {
    let telling = errors(log).take_while(|text| !text.ends_with("FAILED.")).filter(|text| !says_nothing(text));
    let mut causes: Vec<&str> = telling.take(MAX_ERRORS).collect();
    causes.dedup();
    let shortened: String = causes.join("; ").chars().take(MAX_CHARS).collect();
    (!shortened.is_empty()).then_some(shortened)
}

/// The first of them: where nothing was begun yet, all others follow from it.
pub(super) fn first_cause(log: &str) -> Option<String> {
    errors(log).find(|text| !text.is_empty()).map(|text| text.chars().take(MAX_CHARS).collect())
}

fn errors(log: &str) -> impl Iterator<Item = &str> {
    let errors = log.lines().filter_map(|line| line.split_once("Error (").map(|(_, error)| error));
    // Whatever is cut off is better than nothing.
    errors.map(|error| error.split_once("): ").map_or(error, |(_, text)| text).trim())
}

/// A consequence of another error; or the harmless wish for more open files.
fn says_nothing(text: &str) -> bool {
    text.is_empty()
        || text.contains(" exited, status=")
        || text.starts_with("rlimit: Can't setup RLIMIT_NOFILE for self")
}

/// The same for a file.
pub(super) fn cause_in(path: &Path) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    cause(&String::from_utf8_lossy(&bytes))
}

/// A failure of CRIU's, with the best words for it that there are.
pub(super) fn failed(what: &str, words: &str, log: &Path, spoken: &str) -> Error {
    // Its own words are the first error alone, which need not be the one that ended it.
    let told = cause(words).or_else(|| Some(words.trim().to_owned()).filter(|words| !words.is_empty()));
    let why = cause_in(log).or_else(|| cause(spoken)).or(told);
    let why = why.unwrap_or_else(|| "criu does not say why".to_owned());
    Error::new(Kind::Denied, why).context(format!("can't {what}")).hint(format!("criu's log is `{}`", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errors_before_it_gives_up_are_the_cause() {
        let log = "(00.000001) Version: 3.17 (gitid 0)\n\
            (00.000002) Warn  (criu/kerndat.c:1): no Error\n\
            (00.000003) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n\
            (00.012345)      7: Error (criu/mount.c:1088): mnt: Mount 12 ./data: unreachable\n\
            (00.012346)      1: Error (criu/cr-restore.c:1258): 7 exited, status=1\n\
            (00.012347) Error (criu/x.c:1): second\n\
            (00.012348) Error (criu/cr-dump.c:1781): Dumping FAILED.\n\
            (00.012349) Error (criu/y.c:1): third\n";
        assert_eq!(cause(log).as_deref(), Some("mnt: Mount 12 ./data: unreachable; second"));
        assert_eq!(cause("Error (criu/vdso.c:381): vdso: Un").as_deref(), Some("vdso: Un"));
        assert_eq!(cause("Error (criu/vdso.c").as_deref(), Some("criu/vdso.c"));
        assert_eq!(cause("all is well\n"), None);
        assert_eq!(first_cause("all\n(1) Error (a.c:1): one\nError (b.c:1): two\n").as_deref(), Some("one"));
        let long = format!("Error (a.c:1): {}\n", "ä".repeat(1000)).repeat(5);
        assert_eq!(cause(&long).unwrap().chars().count(), MAX_CHARS);
    }
}
