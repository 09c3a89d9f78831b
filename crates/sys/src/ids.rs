//! Where this process stands among user namespaces.

/// In the initial user namespace: all ids, unchanged (user_namespaces(7))? Not, if the kernel does not say.
pub fn in_initial_namespace() -> bool {
    crate::read::small(c"/proc/self/uid_map").is_ok_and(|map| is_whole(&map))
}

fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn only_the_whole_map_is_the_initial_namespaces() {
        assert!(is_whole("         0          0 4294967295\n"));
        for map in ["", "0 0 65536\n", "0 1000 1\n", "0 0 4294967295\n1 1 1\n"] {
            assert!(!is_whole(map), "{map}");
        }
    }
}
