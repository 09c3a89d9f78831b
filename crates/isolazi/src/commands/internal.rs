//! `isolazi internal …`: the words that this program says to itself. Not for people, not in the help.

use crate::console::Console;
use crate::exit;
use std::ffi::OsString;

/// Its exit code.
pub(crate) fn run(arguments: &[OsString]) -> u8 {
    match arguments.split_first() {
        Some((word, rest)) if word == "monitor" => engine::monitor_main(rest),
        Some((word, _)) if word == "hello" => {
            let mut console = Console::default();
            let host_namespaces = std::env::var("ISOLAZI_HOST_NAMESPACES").unwrap_or_default();
            console.out(engine::hello_report(&host_namespaces));
            match console.finish() {
                Ok(()) => exit::SUCCESS,
                Err(_) => exit::FAILURE,
            }
        }
        _ => {
            Console::default().tell("Error: `isolazi internal` is not meant to be called by hand\n");
            exit::FAILURE
        }
    }
}
