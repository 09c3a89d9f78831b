//! Base64 (RFC 4648, section 4), for Basic authentication and the `auth` fields of Docker's config.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// `None` if it is not base64. Padding may be missing, as some tools leave it out.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim().trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    for group in letters.chunks(4) {
        let mut word = 0_u32;
        for letter in group {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            word = word << 6 | u32::try_from(value).expect("64 letters");
        }
        word <<= 6 * (4 - group.len());
        let [_, a, b, c] = word.to_be_bytes();
        match group.len() {
            4 => bytes.extend([a, b, c]),
            3 => bytes.extend([a, b]),
            2 => bytes.push(a),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_examples_hold_both_ways() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text), Some(plain.as_bytes().to_vec()));
        }
        assert_eq!(decode("Zg"), Some(b"f".to_vec()));
        for bad in ["Z", "Zg=a", "Z g=", "é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
