//! Messages between CRIU and its clients: what we use of `images/rpc.proto`, in protobuf's encoding.
//!
//! ```text
//! message = (key value)*      key = field number × 8 + form, a varint
//! value   = varint (form 0) · 8 bytes (1) · varint length and as many bytes (2) · 4 bytes (5)
//! ```

/// What a request or an answer is about: `criu_req_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
}

/// Numbers of fields: of `criu_opts`, and of the smaller messages by their prefix.
pub(super) mod field {
    pub(crate) const IMAGES_DIR_FD: u32 = 1;
    pub(crate) const PID: u32 = 2;
    pub(crate) const LEAVE_RUNNING: u32 = 3;
    pub(crate) const EXT_UNIX_SK: u32 = 4;
    pub(crate) const TCP_ESTABLISHED: u32 = 5;
    pub(crate) const EVASIVE_DEVICES: u32 = 6;
    pub(crate) const SHELL_JOB: u32 = 7;
    pub(crate) const FILE_LOCKS: u32 = 8;
    pub(crate) const LOG_LEVEL: u32 = 9;
    pub(crate) const LOG_FILE: u32 = 10;
    pub(crate) const PAGE_SERVER: u32 = 11;
    pub(crate) const NOTIFY_SCRIPTS: u32 = 12;
    pub(crate) const ROOT: u32 = 13;
    pub(crate) const PARENT_IMAGES: u32 = 14;
    pub(crate) const TRACK_MEMORY: u32 = 15;
    pub(crate) const AUTO_DEDUP: u32 = 16;
    pub(crate) const WORK_DIR_FD: u32 = 17;
    pub(crate) const LINK_REMAP: u32 = 18;
    pub(crate) const EXTERNAL_MOUNT: u32 = 23;
    pub(crate) const MANAGE_CGROUPS: u32 = 24;
    pub(crate) const CGROUP_ROOT: u32 = 25;
    pub(crate) const RESTORE_SIBLING: u32 = 26;
    pub(crate) const INHERIT_FD: u32 = 27;
    pub(crate) const MANAGE_CGROUPS_MODE: u32 = 34;
    pub(crate) const EXTERNAL: u32 = 37;
    pub(crate) const EMPTY_NS: u32 = 38;
    pub(crate) const JOIN_NS: u32 = 39;
    pub(crate) const FREEZE_CGROUP: u32 = 44;
    pub(crate) const TCP_SKIP_IN_FLIGHT: u32 = 46;
    pub(crate) const LAZY_PAGES: u32 = 48;
    pub(crate) const ORPHAN_PTS_MASTER: u32 = 50;
    pub(crate) const CONFIG_FILE: u32 = 51;
    pub(crate) const TCP_CLOSE: u32 = 52;
    pub(crate) const LSM_PROFILE: u32 = 53;
    pub(crate) const LSM_MOUNT_CONTEXT: u32 = 63;
    pub(crate) const NETWORK_LOCK: u32 = 64;

    /// Of all pairs: `ext_mount_map`, `cgroup_root`, `inherit_fd`, `join_namespace`, `criu_page_server_info`.
    pub(crate) const FIRST: u32 = 1;
    pub(crate) const SECOND: u32 = 2;

    pub(crate) const REQUEST_KIND: u32 = 1;
    pub(crate) const REQUEST_OPTIONS: u32 = 2;
    pub(crate) const REQUEST_NOTIFY_SUCCESS: u32 = 3;
    pub(crate) const REQUEST_FEATURES: u32 = 5;
}

/// A message to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(&mut self, field: u32, number: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(number);
    }

    /// What is not said is false.
    pub(super) fn flag(&mut self, field: u32, is: bool) {
        if is {
            self.number(field, 1);
        }
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    pub(super) fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// The messages that are two texts.
    pub(super) fn pair(&mut self, field: u32, first: &str, second: &str) {
        let mut pair = Self::default();
        pair.text(field::FIRST, first);
        pair.text(field::SECOND, second);
        self.message(field, &pair);
    }

    /// A text and a number.
    pub(super) fn numbered(&mut self, field: u32, first: &str, second: u64) {
        let mut pair = Self::default();
        pair.text(field::FIRST, first);
        pair.number(field::SECOND, second);
        self.message(field, &pair);
    }

    pub(super) fn request(kind: Kind) -> Self {
        let mut message = Self::default();
        message.number(field::REQUEST_KIND, kind as u64);
        message
    }

    pub(super) fn encoded(&self) -> &[u8] {
        &self.0
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }
}

/// A value that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message in their order; ends at the first that is none. `None` for those with a form that we don't
/// use.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Option<Value<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).ok()?;
        let value = match key & 7 {
            0 => Some(Value::Number(self.varint()?)),
            1 => self.take(8).map(|_| None)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Some(Value::Bytes(self.take(length)?))
            }
            5 => self.take(4).map(|_| None)?,
            _ => return None,
        };
        Some((field, value))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// What CRIU says: `criu_resp`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub kind: u64,
    pub success: bool,
    /// Of a restored container.
    pub pid: Option<i32>,
    /// The name of a notice.
    pub notice: String,
    /// An errno.
    pub errno: Option<i32>,
    /// CRIU's own words for its first error.
    pub words: String,
    pub features: Features,
    /// Major and minor.
    pub version: (u64, u64),
}

/// What CRIU can do on this kernel: `criu_features`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Features {
    pub memory_tracking: bool,
    pub lazy_pages: bool,
}

impl Answer {
    /// What we don't know is passed over.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut answer = Self::default();
        for (field, value) in Fields(bytes) {
            match (field, value) {
                (1, Some(Value::Number(kind))) => answer.kind = kind,
                (2, Some(Value::Number(success))) => answer.success = success != 0,
                (4, Some(Value::Bytes(restored))) => answer.pid = number(restored, 1).and_then(int),
                (5, Some(Value::Bytes(notice))) => answer.take_notice(notice),
                (7, Some(Value::Number(errno))) => answer.errno = int(errno),
                (8, Some(Value::Bytes(features))) => {
                    let has = |field| number(features, field).is_some_and(|has| has != 0);
                    answer.features = Features { memory_tracking: has(1), lazy_pages: has(2) };
                }
                (9, Some(Value::Bytes(words))) => answer.words = String::from_utf8_lossy(words).into_owned(),
                (10, Some(Value::Bytes(version))) => {
                    let part = |field| number(version, field).unwrap_or_default();
                    answer.version = (part(1), part(2));
                }
                _ => {}
            }
        }
        answer
    }

    fn take_notice(&mut self, notice: &[u8]) {
        self.pid = number(notice, 2).and_then(int);
        let name = Fields(notice).find_map(|(field, value)| match (field, value) {
            (1, Some(Value::Bytes(name))) => Some(String::from_utf8_lossy(name).into_owned()),
            _ => None,
        });
        self.notice = name.unwrap_or_default();
    }
}

fn number(message: &[u8], wanted: u32) -> Option<u64> {
    Fields(message).find_map(|(field, value)| match value {
        Some(Value::Number(number)) if field == wanted => Some(number),
        _ => None,
    })
}

/// A negative int32 travels with 64 bits.
fn int(number: u64) -> Option<i32> {
    i32::try_from(number.cast_signed()).ok()
}
