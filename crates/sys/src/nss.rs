//! Name look-ups of a statically linked glibc.
//!
//! A static program that lets glibc follow `/etc/nsswitch.conf` loads shared plug-ins (`libnss_systemd`, …), and with
//! them a second C library: a look-up that reaches one ends in a crash. `files` and `dns` are inside libc.a since
//! glibc 2.34, and with only these nothing is loaded.

/// From here on names come from `/etc/hosts`, DNS, `/etc/passwd` and `/etc/group` only, whatever the machine's
/// configuration says. Call it before the first look-up; further calls change nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "only glibc itself can be told")]
pub fn use_builtin_only() {
    use std::ffi::{CStr, c_char, c_int};
    use std::sync::Once;

    unsafe extern "C" {
        // nss/nss_database.h of glibc; exported since 2.0 for nscd and getent, kept for programs like this one.
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }
    const SERVICES: [(&CStr, &CStr); 6] = [
        (c"hosts", c"files dns"),
        (c"passwd", c"files"),
        (c"group", c"files"),
        (c"initgroups", c"files"),
        (c"shadow", c"files"),
        (c"gshadow", c"files"),
    ];
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for (database, services) in SERVICES {
            // SAFETY: both are NUL-terminated and live for ever; glibc copies the services and takes its own lock. It
            // fails only for a database it does not know, and then that database is never asked either.
            unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
        }
    });
}

/// Other C libraries load nothing.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn use_builtin_only() {}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    #[test]
    fn this_machine_resolves_and_an_unknown_name_does_not_crash() {
        super::use_builtin_only();
        let addresses: Vec<_> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()) && !addresses.is_empty());
        assert!(("no-such-host.invalid", 80).to_socket_addrs().is_err());
    }
}
