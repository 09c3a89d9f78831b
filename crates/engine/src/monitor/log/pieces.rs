//! A stream becomes lines, and long lines become pieces.

use crate::entry;

/// The longest piece of a line in one entry, in bytes.
pub(super) const LINE_BYTES: usize = 16 * 1024;

/// Gives the next line, or piece of a long one, to `entry`; how many bytes are done with. What has not ended yet is kept in
/// `partial`, which is always shorter than [`LINE_BYTES`].
pub(super) fn next(partial: &mut Vec<u8>, bytes: &[u8], entry: impl FnOnce(&[u8])) -> usize {
    let room = LINE_BYTES - partial.len();
    let window = &bytes[..bytes.len().min(room)];
    let end = entry::find(window, b'\n').map(|end| end + 1);
    if end.is_none() && window.len() < room {
        partial.extend_from_slice(window);
        return window.len();
    }
    if partial.is_empty() {
        let length = end.unwrap_or_else(|| whole_characters(window));
        entry(&window[..length]);
        return length;
    }
    let length = end.unwrap_or(room);
    partial.extend_from_slice(&window[..length]);
    let whole = end.map_or_else(|| whole_characters(partial), |_| partial.len());
    entry(&partial[..whole]);
    partial.drain(..whole);
    length
}

/// The length without a UTF-8 character at the end that is not all there.
fn whole_characters(bytes: &[u8]) -> usize {
    let length = bytes.len();
    for (before, byte) in bytes.iter().rev().take(3).enumerate() {
        let needed = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if needed > before + 1 { length - before - 1 } else { length };
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a stream that comes in these chunks, and what is kept for later.
    fn entries(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut partial, mut entries) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                rest = &rest[next(&mut partial, rest, |piece| entries.push(piece.to_vec()))..];
                assert!(partial.len() < LINE_BYTES);
            }
        }
        (entries, partial)
    }

    #[test]
    fn lines_are_the_same_whatever_the_chunks() {
        let text = b"one\n\ntwo\nthree";
        let expected = (vec![b"one\n".to_vec(), b"\n".to_vec(), b"two\n".to_vec()], b"three".to_vec());
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(entries(&chunks), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let characters = "äé漢😀".repeat(LINE_BYTES / 4);
        let long = [b"x".as_slice(), characters.as_bytes()].concat();
        let binary = vec![0x80; 2 * LINE_BYTES + 5];
        for chunk in [1, 7, 4096, LINE_BYTES, LINE_BYTES + 1, 1 << 20] {
            let (pieces, rest) = entries(&long.chunks(chunk).collect::<Vec<_>>());
            for piece in &pieces {
                assert!((LINE_BYTES - 3..=LINE_BYTES).contains(&piece.len()));
                assert!(std::str::from_utf8(piece).is_ok(), "chunks of {chunk}");
            }
            assert_eq!([pieces.concat(), rest].concat(), long);
            let (pieces, rest) = entries(&binary.chunks(chunk).collect::<Vec<_>>());
            assert_eq!((pieces.len(), rest.len()), (2, 5));
        }
    }
}
