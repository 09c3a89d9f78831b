//! What last words tell: the messages of loaders, shells and the C library by which programs die.

use super::cause::Cause;

/// Something that lines are read for.
type Rule = fn(&str) -> Option<Cause>;

/// The first that fits is taken.
const RULES: [Rule; 11] = [
    missing_library,
    old_glibc,
    missing_symbol,
    carriage_return,
    foreign_program,
    port_taken,
    read_only,
    no_space,
    no_descriptors,
    no_processes,
    not_permitted,
];

/// The newest line that tells something.
pub(super) fn read(lines: &[String]) -> Option<Cause> {
    lines.iter().rev().find_map(|line| RULES.iter().find_map(|rule| rule(line)))
}

/// What stands between two marks.
fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found).filter(|found| !found.is_empty())
}

/// glibc: `x: error while loading shared libraries: libx.so.1: cannot open shared object file: No such file or directory`;
/// musl: `Error loading shared library libx.so.1: No such file or directory (needed by /x)`.
fn missing_library(line: &str) -> Option<Cause> {
    let glibc = between(line, "error while loading shared libraries: ", ": cannot open shared object file");
    let library = glibc.or_else(|| between(line, "Error loading shared library ", ": "))?;
    Some(
        Cause::new(format!("the library `{library}` is not in the image"))
            .hint("add the package that has it, or take an image of the distribution that the program was built for"),
    )
}

/// `x: /lib/libc.so.6: version `GLIBC_2.38' not found (required by x)`
fn old_glibc(line: &str) -> Option<Cause> {
    let version = between(line, "version `", "' not found")?;
    let by = between(line, "(required by ", ")").map_or_else(String::new, |by| format!("`{by}` "));
    let text = match version.split_once('_') {
        Some(("GLIBC", number)) => format!("{by}wants glibc {number}, and the image has an older one"),
        _ => format!("{by}wants {version}, which the image's library does not have"),
    };
    Some(Cause::new(text).hint("take a newer image, or build the program on an older one"))
}

/// musl: `Error relocating /x: __printf_chk: symbol not found`
fn missing_symbol(line: &str) -> Option<Cause> {
    let name = between(line, "Error relocating ", ": ")?;
    line.ends_with("symbol not found").then(|| {
        Cause::new(format!("`{name}` was built for another C library than the image has, probably for glibc"))
            .hint("take an image with glibc, or build it for musl")
    })
}

/// `env: 'bash\r': No such file or directory`
fn carriage_return(line: &str) -> Option<Cause> {
    (line.contains("\\r") && line.contains("No such file") || line.contains("$'\\r': command not found")).then(|| {
        Cause::new("the lines of a script end as on Windows (CR LF)")
            .hint("`sed -i 's/\\r$//' SCRIPT` makes it one for Linux")
    })
}

fn foreign_program(line: &str) -> Option<Cause> {
    line.to_ascii_lowercase().contains("exec format error").then(|| {
        Cause::new("a program in it is for another processor than this machine's, or is no program")
            .hint("`isolazi image inspect` tells an image's architecture; `--platform` takes another")
    })
}

fn port_taken(line: &str) -> Option<Cause> {
    let line = line.to_ascii_lowercase();
    let is_taken = line.contains("address already in use") || line.contains("eaddrinuse");
    is_taken.then(|| Cause::new("a port or socket that it wants is taken"))
}

fn read_only(line: &str) -> Option<Cause> {
    line.to_ascii_lowercase().contains("read-only file system").then(|| {
        Cause::new("it wants to write where it may only read").hint(
            "`--read-only`, a volume with `:ro` or /proc and /sys are so; `--tmpfs DIR` or a volume gives it room",
        )
    })
}

fn no_space(line: &str) -> Option<Cause> {
    let lower = line.to_ascii_lowercase();
    (lower.contains("no space left on device") || lower.contains("disk quota exceeded")).then(|| {
        if line.contains("/dev/shm") || lower.contains("shared memory") {
            return Cause::new("its shared memory (/dev/shm) is full").hint("`--shm-size 1g` gives it more");
        }
        Cause::new("there is no room left where it writes")
            .hint("`isolazi system df` tells who takes it, `isolazi system prune` gives unused room back")
    })
}

fn no_descriptors(line: &str) -> Option<Cause> {
    line.to_ascii_lowercase()
        .contains("too many open files")
        .then(|| Cause::new("it may have no more files open").hint("`--ulimit nofile=65536:65536` allows more"))
}

fn no_processes(line: &str) -> Option<Cause> {
    let lower = line.to_ascii_lowercase();
    let is_about_processes = ["fork", "thread", "clone", "spawn"].iter().any(|word| lower.contains(word));
    (is_about_processes && lower.contains("resource temporarily unavailable")).then(|| {
        Cause::new("it may have no more processes or threads")
            .hint("`isolazi update --pids-limit N` or `--ulimit nproc=N` allows more")
    })
}

fn not_permitted(line: &str) -> Option<Cause> {
    line.to_ascii_lowercase().contains("operation not permitted").then(|| {
        Cause::new("it wants to do something that containers may not")
            .hint("`--cap-add` gives a capability, `--security-opt seccomp=PROFILE` another list of system calls")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_loaders_and_programs_are_understood() {
        for (line, expected) in [
            (
                "/bin/x: error while loading shared libraries: libfoo.so.1: cannot open shared object file: No such file or \
                 directory",
                "the library `libfoo.so.1` is not in the image",
            ),
            (
                "Error loading shared library libfoo.so.1: No such file or directory (needed by /bin/x)",
                "the library `libfoo.so.1` is not in the image",
            ),
            (
                "x: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by x)",
                "`x` wants glibc 2.38, and the image has an older one",
            ),
            (
                "x: /lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found",
                "wants GLIBCXX_3.4.30, which the image's library does not have",
            ),
            (
                "Error relocating /x: __printf_chk: symbol not found",
                "`/x` was built for another C library than the image has, probably for glibc",
            ),
            ("env: 'bash\\r': No such file or directory", "the lines of a script end as on Windows (CR LF)"),
            (
                "exec /x: exec format error",
                "a program in it is for another processor than this machine's, or is no program",
            ),
            (
                "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
                "a port or socket that it wants is taken",
            ),
            ("Error: listen EADDRINUSE: address already in use :::3000", "a port or socket that it wants is taken"),
            ("touch: /x: Read-only file system", "it wants to write where it may only read"),
            ("could not resize shared memory segment: No space left on device", "its shared memory (/dev/shm) is full"),
            ("write error: No space left on device", "there is no room left where it writes"),
            ("accept: Too many open files", "it may have no more files open"),
            ("sh: can't fork: Resource temporarily unavailable", "it may have no more processes or threads"),
            ("mount: permission denied: Operation not permitted", "it wants to do something that containers may not"),
        ] {
            let found = read(&[line.to_owned(), "later, and of no meaning".to_owned()]);
            assert_eq!(found.map(|cause| cause.text).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(read(&["hello".to_owned(), "error: -r\\r".to_owned()]), None);
        assert_eq!(read(&[]), None);
    }
}
