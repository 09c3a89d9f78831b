//! A tar archive, entry by entry: what a test's image holds, however strange.

/// Entries in the order they are added.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

/// Applets that an [`Archive::busybox`] has.
const APPLETS: [&str; 14] =
    ["cat", "dd", "echo", "grep", "head", "id", "ls", "mknod", "pwd", "readlink", "sh", "sleep", "stat", "true"];

impl Archive {
    /// Debian's static busybox with some applets in `/bin`, and nothing else.
    pub fn busybox() -> Self {
        let binary = std::fs::read("/bin/busybox").expect("tests/material/install.sh installs busybox-static");
        let mut archive = Self::default().folder("bin").file("bin/busybox", 0o755, &binary);
        for applet in APPLETS {
            archive = archive.symlink(&format!("bin/{applet}"), "busybox");
        }
        archive
    }

    /// A regular file of root.
    pub fn file(self, name: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(b'0', name, mode, "", content)
    }

    /// A folder of root, mode 755.
    pub fn folder(self, name: &str) -> Self {
        self.entry(b'5', &format!("{name}/"), 0o755, "", b"")
    }

    /// A symbolic link.
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, 0o777, target, b"")
    }

    /// A ustar header, the content, and padding (POSIX.1-2017, pax, "ustar Interchange Format").
    fn entry(mut self, kind: u8, name: &str, mode: u32, target: &str, content: &[u8]) -> Self {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, &format!("{mode:07o}\0"));
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, "00000000000\0");
        put(148, "        ");
        put(157, target);
        put(257, "ustar\x0000");
        header[156] = kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend(header);
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// With its end: two empty blocks.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}
