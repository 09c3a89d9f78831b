//! DNS messages (RFC 1035, section 4): a question is read, an answer is written. Nothing else of a message is looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a message's head.
const HEADER_BYTES: usize = 12;

/// The longest name, with its lengths (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// Kinds of records.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const ANY: u16 = 255;
}

/// `IN`
const INTERNET: u16 = 1;

/// Seconds that an answer may be remembered: containers come and go.
const TTL_S: u32 = 1;

/// How an answer turns out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NoError = 0,
    ServerFailure = 2,
    NoSuchName = 3,
}

/// What somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Lower-case, without the last point.
    pub name: String,
    /// Of which kind.
    pub kind: u16,
    /// Head and question as they came: an answer repeats them.
    asked: Vec<u8>,
}

impl Question {
    /// `None` for what is no question, or several.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER_BYTES)?;
        let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        // A standard query (opcode 0), one question.
        let (is_query, count) = (header[2] & 0xf8 == 0, number(4));
        if !is_query || count != 1 {
            return None;
        }
        let mut at = HEADER_BYTES;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            // Questions have no pointers.
            if length > 63 || at + length - HEADER_BYTES > MAX_NAME_BYTES {
                return None;
            }
            labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_ascii_lowercase());
            at += length;
        }
        let rest = message.get(at..at + 4)?;
        let (kind, class) = (u16::from_be_bytes([rest[0], rest[1]]), u16::from_be_bytes([rest[2], rest[3]]));
        (class == INTERNET).then(|| Self { name: labels.join("."), kind, asked: message[..at + 4].to_vec() })
    }

    /// The address whose name is asked for: `4.3.2.1.in-addr.arpa`, and IPv6's nibbles below `ip6.arpa`.
    pub(super) fn reverse(&self) -> Option<IpAddr> {
        if self.kind != kind::PTR {
            return None;
        }
        if let Some(digits) = self.name.strip_suffix(".in-addr.arpa") {
            let octets: Option<Vec<u8>> = digits.split('.').rev().map(|part| part.parse().ok()).collect();
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets?).ok()?).into());
        }
        let nibbles: Option<Vec<u8>> = self
            .name
            .strip_suffix(".ip6.arpa")?
            .split('.')
            .rev()
            .map(|part| u8::from_str_radix(part, 16).ok().filter(|nibble| part.len() == 1 && *nibble < 16))
            .collect();
        let nibbles = nibbles.filter(|nibbles| nibbles.len() == 32)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(nibbles.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Some(Ipv6Addr::from(bytes).into())
    }

    /// An answer without records.
    pub(super) fn nothing(&self, code: Code) -> Vec<u8> {
        self.answer(code, &[])
    }

    /// Those of these addresses that are of the kind asked for.
    pub(super) fn addresses(&self, addresses: &[IpAddr]) -> Vec<u8> {
        let records: Vec<(u16, Vec<u8>)> = addresses
            .iter()
            .map(|address| match address {
                IpAddr::V4(v4) => (kind::A, v4.octets().to_vec()),
                IpAddr::V6(v6) => (kind::AAAA, v6.octets().to_vec()),
            })
            .filter(|(of, _)| [*of, kind::ANY].contains(&self.kind))
            .collect();
        self.answer(Code::NoError, &records)
    }

    /// The name of an address.
    pub(super) fn name_is(&self, name: &str) -> Vec<u8> {
        let mut data = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty() && label.len() < 64) {
            data.push(u8::try_from(label.len()).unwrap_or_default());
            data.extend(label.bytes());
        }
        data.push(0);
        self.answer(Code::NoError, &[(kind::PTR, data)])
    }

    fn answer(&self, code: Code, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = self.asked.clone();
        // An answer, with authority; recursion as desired, and available.
        message[2] = 0x84 | message[2] & 0x01;
        message[3] = 0x80 | code as u8;
        message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes());
        message[8..12].fill(0);
        for (kind, data) in records {
            // The name is where the question has it.
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend(INTERNET.to_be_bytes());
            message.extend(TTL_S.to_be_bytes());
            message.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
            message.extend(data);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend(INTERNET.to_be_bytes());
        // EDNS(0), which is not answered.
        message.extend([0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]);
        message
    }

    #[test]
    fn a_question_is_read_and_answered() {
        let question = Question::parse(&query("Web.Example", kind::A)).unwrap();
        assert_eq!((question.name.as_str(), question.kind), ("web.example", kind::A));
        let answer = question.addresses(&["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()]);
        assert_eq!(answer[..12], [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[answer.len() - 16..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 0, 0, 2]);
        let nothing = question.nothing(Code::NoSuchName);
        assert_eq!((nothing[3], nothing.len()), (0x83, question.asked.len()));
    }

    #[test]
    fn addresses_are_read_backwards() {
        let reverse = |name: &str| Question::parse(&query(name, kind::PTR)).unwrap().reverse();
        assert_eq!(reverse("2.0.0.10.in-addr.arpa"), Some("10.0.0.2".parse().unwrap()));
        let nibbles = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(reverse(nibbles), Some("fd00::2".parse().unwrap()));
        for name in ["x.0.0.10.in-addr.arpa", "0.10.in-addr.arpa", "f.ip6.arpa", "web"] {
            assert_eq!(reverse(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_question_is_none() {
        let whole = query("web", kind::A);
        let question_bytes = whole.len() - 11;
        for length in 0..question_bytes {
            assert_eq!(Question::parse(&whole[..length]), None, "{length}");
        }
        let mut answer = whole.clone();
        answer[2] |= 0x80;
        assert_eq!(Question::parse(&answer), None);
        let mut pointer = whole.clone();
        pointer[12] = 0xc0;
        assert_eq!(Question::parse(&pointer), None);
        assert_eq!(Question::parse(&query(&["a"; 200].join("."), kind::A)), None);
    }
}
