//! Content digests: `sha256:` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md, "Digests").

use error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A SHA-256 content digest. Other algorithms are refused: no registry in use serves them, and each would be a second
/// name for the same bytes in the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// From the 32 raw bytes of a finished hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hexadecimal digits, as file names in `blobs/sha256/` are.
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String can't fail");
            hex
        })
    }

    /// The first 12 hexadecimal digits, as tables show ids.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(hex) = text.strip_prefix("sha256:") else {
            return Err(match text.split_once(':') {
                Some((algorithm, _)) => Error::invalid(format!("unsupported digest algorithm `{algorithm}`")),
                None => Error::invalid(format!("invalid digest `{text}`: no algorithm")),
            });
        };
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(Error::invalid(format!("invalid digest `{text}`: {} digits, not 64", digits.len())));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
                return Err(Error::invalid(format!("invalid digest `{text}`: not lower-case hexadecimal")));
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_sha256_parses() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(format!("sha256:{hex}").parse::<Digest>().unwrap().hex(), hex);
        for bad in
            ["", "sha256:", "sha512:00", &hex, &format!("sha256:{}", hex.to_uppercase()), &format!("sha256:{hex}0")]
        {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
