//! isolazi: containers without a daemon.

#![no_main]

/// Called by the C library, which has kept the arguments where `args_os` finds them. `sys::start` says why.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "the one name that the C library looks for")]
extern "C" fn main() -> std::ffi::c_int {
    let code = match sys::start::prepare() {
        Ok(()) => isolazi::run(std::env::args_os()),
        // There is no stream to say it on.
        Err(_) => 1,
    };
    // Unlike a return it empties what the standard library gathers of its output.
    #[allow(clippy::exit, reason = "this is the end of `main`")]
    std::process::exit(code.into())
}
