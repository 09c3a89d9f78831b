//! How messages and their attributes are laid out.
//!
//! ```text
//! message   = length u32 · kind u16 · flags u16 · sequence u32 · port u32 · body · attributes   (native endian)
//! attribute = length u16 · kind u16 · value, padded to 4 bytes
//! ```

use rustix::io::Errno;

/// Bytes of the header of a message.
const HEADER_BYTES: usize = 16;

/// An attribute made of attributes.
pub(super) fn nest(body: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    /// `NLA_F_NESTED` of linux/netlink.h.
    const NESTED: u16 = 1 << 15;
    let begin = body.len();
    push(body, kind | NESTED, &[]);
    fill(body);
    let length = u16::try_from(body.len() - begin).expect("what we say about a device or a rule is short");
    body[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
}

/// The name of a device.
pub(super) fn push_name(body: &mut Vec<u8>, name: &str) {
    push_text(body, libc::IFLA_IFNAME, name);
}

/// Text, which ends with a NUL.
pub(super) fn push_text(body: &mut Vec<u8>, kind: u16, text: &str) {
    let mut value = text.as_bytes().to_vec();
    value.push(0);
    push(body, kind, &value);
}

pub(super) fn push(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).expect("our values are a name, a number or an address");
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The end of a request is acknowledged, or a list's last message.
pub(super) fn message(kind: u16, flags: i32, sequence: u32, body: &[u8]) -> Result<Vec<u8>, Errno> {
    let list = flags & libc::NLM_F_ROOT != 0;
    let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
    append(&mut message, kind, flags | if list { 0 } else { libc::NLM_F_ACK }, sequence, body)?;
    Ok(message)
}

/// One more message of several in a datagram.
pub(super) fn append(datagram: &mut Vec<u8>, kind: u16, flags: i32, sequence: u32, body: &[u8]) -> Result<(), Errno> {
    let flags = u16::try_from(flags | libc::NLM_F_REQUEST).map_err(|_| Errno::INVAL)?;
    let length = u32::try_from(HEADER_BYTES + body.len()).map_err(|_| Errno::INVAL)?;
    datagram.extend(length.to_ne_bytes());
    datagram.extend(kind.to_ne_bytes());
    datagram.extend(flags.to_ne_bytes());
    datagram.extend(sequence.to_ne_bytes());
    datagram.extend([0; 4]);
    datagram.extend(body);
    Ok(())
}

pub(super) struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// The first message of a datagram, and what comes after it.
pub(super) fn split(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
    let body = datagram.get(HEADER_BYTES..length)?;
    let (kind, flags, sequence) = (u16_at(datagram, 4)?, u16_at(datagram, 6)?, u32_at(datagram, 8)?);
    let rest = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((Message { kind, flags, sequence, body }, rest))
}

/// Attributes one after the other; ends at the first that is none.
pub(super) struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)?;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_or_lies_about_its_length_is_not_read() {
        let whole = message(libc::RTM_NEWADDR, 0, 9, &[1, 2, 3, 4]).unwrap();
        let (first, rest) = split(&whole).unwrap();
        assert_eq!((first.kind, first.sequence, first.body, rest), (libc::RTM_NEWADDR, 9, &[1, 2, 3, 4][..], &[][..]));
        for length in 0..whole.len() {
            assert!(split(&whole[..length]).is_none(), "{length}");
        }
        for length in [0_u32, 15, 21, u32::MAX] {
            let mut lying = whole.clone();
            lying[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(split(&lying).is_none(), "{length}");
        }
        for bytes in [&[][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 1, 2, 3, 4]] {
            assert_eq!(Attributes(bytes).next(), None, "{bytes:?}");
        }
    }
}
