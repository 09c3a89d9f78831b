//! A file that is there and yet is not executed: for want of what should read it, or because nobody can.

use super::inside::Inside;
use super::script::{self, Script};
use super::{elf, listed, nearby, path_of, shown};
use oci::Platform;
use std::path::Path;

/// A loader is not looked for behind more interpreters than the kernel follows (fs/exec.c).
const MOST_INTERPRETERS: usize = 5;

/// The processor of this machine, in the words of `--platform`.
pub(super) fn machine() -> String {
    Platform::of_this_machine().architecture
}

/// Why the kernel says ENOENT or ENOEXEC of a file that can be opened.
pub(super) fn not_executed(inside: &Inside, file: &Path) -> Option<String> {
    let mut file = file.to_owned();
    for _ in 0..MOST_INTERPRETERS {
        let found = inside.find(&file).ok()?;
        let head = found.read(0, script::LINE);
        let name = shown(&file);
        if head.is_empty() {
            return Some(format!("{name} is empty"));
        }
        if elf::is_elf(&head) {
            return program(inside, &name, elf::parse(&head, |offset, most| found.read(offset, most)));
        }
        let interpreter = match script::parse(&head) {
            Some(Script::Interpreter(path)) => path_of(path),
            Some(Script::CarriageReturn(_)) => {
                let fix = "sed -i 's/\\r$//'";
                return Some(format!(
                    "the lines of {name} end as on Windows (CR LF): `{fix}` makes it a script for Linux"
                ));
            }
            Some(Script::ByteOrderMark) => {
                return Some(format!("{name} begins with a byte order mark: a script must begin with `#!`"));
            }
            Some(Script::NoLine) => {
                return Some(format!("{name} is text without a first line that names its interpreter, as `#!/bin/sh`"));
            }
            None => return Some(format!("{name} is neither a program nor a script")),
        };
        if interpreter.as_os_str().is_empty() {
            return Some(format!("the first line of {name} names no interpreter after `#!`"));
        }
        if inside.find(interpreter).is_err() {
            return Some(without_interpreter(inside, &name, interpreter));
        }
        file = interpreter.to_owned();
    }
    None
}

fn without_interpreter(inside: &Inside, name: &str, interpreter: &Path) -> String {
    let text = format!("{name} is a script for {}, which is not in the image", shown(interpreter));
    let (Some(folder), Some(wanted)) = (interpreter.parent(), interpreter.file_name()) else { return text };
    let names = inside.names(folder);
    let near: Vec<String> = nearby::like(wanted, &names).into_iter().map(|near| shown(folder.join(near))).collect();
    if near.is_empty() { text } else { format!("{text}; there is {}", listed(&near)) }
}

fn program(inside: &Inside, name: &str, elf: Option<elf::Elf>) -> Option<String> {
    let Some(elf) = elf else { return Some(format!("{name} is a program that is damaged or cut off")) };
    let machine = machine();
    match elf.architecture() {
        Some(architecture) if architecture == machine => {}
        Some(architecture) => {
            return Some(format!(
                "{name} is for {architecture}, and this machine is {machine}: `--platform linux/{machine}` takes an image \
                 for it"
            ));
        }
        None => return Some(format!("{name} is for a processor that is not this machine's, {machine}")),
    }
    let loader = elf.loader?;
    let loader = path_of(&loader);
    if inside.find(loader).is_ok() {
        return None;
    }
    let made_for =
        if is_musl(loader) { "musl, the C library of Alpine" } else { "glibc, the C library of most images" };
    let folder = loader.parent()?;
    let names = inside.names(folder);
    let other = names.iter().find(|name| is_loader(name) && is_musl(Path::new(name)) != is_musl(loader));
    let other = match other {
        Some(_) if is_musl(loader) => ", and the image has glibc",
        Some(_) => ", and the image has musl",
        None => "",
    };
    Some(format!(
        "{name} wants the loader {}, which is not in the image: it is made for {made_for}{other}",
        shown(loader)
    ))
}

fn is_loader(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("ld-") && name.contains(".so"))
}

fn is_musl(loader: &Path) -> bool {
    loader.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("ld-musl-"))
}
