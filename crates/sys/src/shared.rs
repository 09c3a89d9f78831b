//! Text that a child sees which its parent writes after it was made: memory that both share (mmap(2), `MAP_SHARED`).

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that fits, in bytes: a container's state with its annotations, which go over one socket message.
pub const MAX_BYTES: usize = 128 << 10;

/// Shared between a process and the children it makes afterwards.
#[derive(Debug)]
pub struct Text {
    memory: *mut Shared,
}

#[repr(C)]
struct Shared {
    length: AtomicUsize,
    bytes: [u8; MAX_BYTES],
}

impl Text {
    /// Empty.
    #[allow(unsafe_code, reason = "shared memory has no safe form")]
    pub fn new() -> Result<Self, Errno> {
        let flags = MapFlags::SHARED;
        // SAFETY: no address is asked for, so nothing that exists is replaced; zeros are a valid `Shared`.
        let memory = unsafe {
            mmap_anonymous(std::ptr::null_mut(), size_of::<Shared>(), ProtFlags::READ | ProtFlags::WRITE, flags)
        }?;
        Ok(Self { memory: memory.cast() })
    }

    /// Writes it, once, before the child is told to look.
    ///
    /// # Errors
    /// `EMSGSIZE` when it is longer than [`MAX_BYTES`].
    #[allow(unsafe_code, reason = "shared memory has no safe form")]
    pub fn set(&mut self, text: &[u8]) -> Result<(), Errno> {
        if text.len() > MAX_BYTES {
            return Err(Errno::MSGSIZE);
        }
        // SAFETY: the memory is mapped as long as `self` lives. In this process `&mut self` keeps others away; the
        // child reads only after it was told, and after the length was stored.
        unsafe {
            (&raw mut (*self.memory).bytes).cast::<u8>().copy_from(text.as_ptr(), text.len());
            (*self.memory).length.store(text.len(), Ordering::Release);
        }
        Ok(())
    }

    /// What was written.
    #[allow(unsafe_code, reason = "shared memory has no safe form")]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped as long as `self` lives; the writer writes no more once the length is there.
        unsafe {
            let length = (*self.memory).length.load(Ordering::Acquire).min(MAX_BYTES);
            std::slice::from_raw_parts((&raw const (*self.memory).bytes).cast::<u8>(), length)
        }
    }
}

impl Drop for Text {
    #[allow(unsafe_code, reason = "shared memory has no safe form")]
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new` with this length, and no slice of it outlives `self`.
        // It cannot fail with the address and length of a mapping.
        let _ = unsafe { munmap(self.memory.cast(), size_of::<Shared>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_too_much_is_refused() {
        let mut text = Text::new().unwrap();
        assert_eq!(text.bytes(), b"");
        text.set(b"state").unwrap();
        assert_eq!(text.bytes(), b"state");
        assert_eq!(text.set(&vec![0; MAX_BYTES + 1]), Err(Errno::MSGSIZE));
    }
}
