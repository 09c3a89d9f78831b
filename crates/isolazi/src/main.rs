//! isolazi: containers without a daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(isolazi::run(std::env::args_os()))
}
