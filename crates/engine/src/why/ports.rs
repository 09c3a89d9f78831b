//! Who holds a port of the host that a container wanted.

use crate::containers::Container;
use api::Network;
use std::path::Path;

/// Of the last line that complains: a hint, if the container has the host's network and the holder can be seen.
pub(super) fn taken(container: &Container, last_words: &[String]) -> Option<String> {
    if container.record.request.network != Network::Host {
        return None;
    }
    let port = last_words.iter().rev().find_map(|line| port_of(line))?;
    let (pid, name) = inode_of_listener(port).and_then(holder)?;
    Some(format!("process {pid} (`{name}`) listens on port {port} of the host"))
}

/// `bind() to 0.0.0.0:80 failed (98: Address already in use)` → 80
fn port_of(line: &str) -> Option<u16> {
    let lower = line.to_ascii_lowercase();
    if !lower.contains("address already in use") && !lower.contains("eaddrinuse") {
        return None;
    }
    let numbers = lower.match_indices(':').filter_map(|(colon, _)| {
        let digits: String = lower[colon + 1..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u16>().ok()
    });
    let by_word = lower
        .split_once("port ")
        .and_then(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u16>().ok());
    // A time of day comes before it.
    numbers.into_iter().rfind(|port| *port != 0).or(by_word)
}

/// By `/proc/net/tcp` (proc_net(5)): local address in hexadecimal, state 0A is "listens".
fn inode_of_listener(port: u16) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|path| listener(&std::fs::read_to_string(path).ok()?, port))
}

fn listener(table: &str, port: u16) -> Option<u64> {
    let suffix = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
        fields.get(9).filter(|_| listens)?.parse().ok()
    })
}

fn holder(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    // Processes of others cannot be looked at by ordinary users.
    let holds = |process: &Path| {
        let mut files = std::fs::read_dir(process.join("fd")).ok()?.flatten();
        files.any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == Path::new(&wanted))).then_some(())
    };
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path())?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        Some((pid, name.trim_end().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_the_complaint() {
        for (line, expected) in [
            ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", Some(80)),
            ("Error: listen EADDRINUSE: address already in use :::3000", Some(3000)),
            ("could not bind IPv4 address \"127.0.0.1\": Address already in use", None),
            ("Is another process running on port 5432? Address already in use", Some(5432)),
            ("listening on :80", None),
        ] {
            assert_eq!(port_of(line), expected, "{line}");
        }
    }

    #[test]
    fn who_listens_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let (pid, _) = inode_of_listener(port).and_then(holder).unwrap();
        assert_eq!(pid, std::process::id());
    }
}
