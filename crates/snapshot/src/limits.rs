//! What a layer may cost. A layer is hostile until its diff ID is verified, and that is known only at its end.

/// What the caller may choose.
///
/// A ratio of compression is no limit: an honest layer of zeros has the same one as a bomb. What a bomb can do within
/// these limits is to fill the disk; then it is removed again, as any layer that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the uncompressed tar.
    pub bytes: u64,
    /// Files, folders, links and whiteouts.
    pub entries: u64,
}

impl Default for Limits {
    /// 1 TiB, more than any image known; ten million entries, as each folder takes about 100 bytes of memory.
    fn default() -> Self {
        Self { bytes: 1 << 40, entries: 10_000_000 }
    }
}

/// Bytes of a path in a layer: PATH_MAX without its zero byte.
pub(crate) const PATH_BYTES: usize = 4095;

/// Bytes of pax records and long names of one entry: room for 16 xattrs of the kernel's largest size (64 KiB).
pub(crate) const METADATA_BYTES: u32 = 1 << 20;

/// Pieces of one sparse file. GNU tar writes one for each run of data; Go's reader has the same order of limit.
pub(crate) const SPARSE_PIECES: usize = 50_000;

/// Bytes of headers before an entry's content: the metadata, a sparse map of 50,000 pairs of 20 digits, and slack.
pub(crate) const HEADER_BYTES: usize = 4 << 20;

/// Symbolic links followed for one path, as the kernel's own limit (path_resolution(7)).
pub(crate) const SYMLINKS: usize = 40;

/// The window of a zstd frame as a power of two: 128 MiB, what `zstd --long` makes and the decoder's own default.
pub(crate) const ZSTD_WINDOW_LOG: u32 = 27;

/// Layers in one image: architecture.md's and Docker's (125 + 2) order; overlayfs itself takes 500.
pub(crate) const LAYERS: usize = 128;
