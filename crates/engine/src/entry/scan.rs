//! Bytes are looked at eight at a time: a log is as long as its payload is busy.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many bytes at the beginning can stand in a JSON string as they are. `utf8`: bytes above ASCII may, too.
#[inline]
pub(super) fn plain(bytes: &[u8], utf8: bool) -> usize {
    let high = if utf8 { 0 } else { HIGH };
    let special = |word: u64| below(word, 0x20) | equal(word, b'"') | equal(word, b'\\') | word & high;
    first(bytes, special).unwrap_or(bytes.len())
}

/// Where a JSON string ends or an escape begins.
#[inline]
pub(super) fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    first(bytes, |word| equal(word, b'"') | equal(word, b'\\'))
}

/// The first place of a byte.
#[inline]
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    first(bytes, |word| equal(word, wanted))
}

/// The last place of a byte.
pub(crate) fn rfind(bytes: &[u8], wanted: u8) -> Option<usize> {
    // Eight at a time as long as it is in none of them; then one by one.
    let mut end = bytes.len();
    while let Some((_, word)) = bytes[..end].split_last_chunk::<8>()
        && equal(u64::from_le_bytes(*word), wanted) == 0
    {
        end -= 8;
    }
    bytes[..end].iter().rposition(|byte| *byte == wanted)
}

/// The first byte that a test of whole words marks. A test marks a byte by its highest bit, and may mark a byte behind
/// the first right one wrongly.
#[inline]
fn first(bytes: &[u8], test: impl Fn(u64) -> u64) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk::<8>() {
        let marked = test(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(at + marked.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    let marked = test(u64::from_le_bytes(word));
    let place = marked.trailing_zeros() as usize / 8; // of none: 8
    (place < rest.len()).then_some(at + place)
}

#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference & HIGH
}

#[inline]
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH
}
