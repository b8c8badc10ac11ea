//! [`File`]: a descriptor with an owner; and printing to the console.

use crate::sys::{self, Fd};
use abi::syscall::{Errno, IoMode};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;

/// An open initrd member, device or end of a pipe; closed when dropped.
#[derive(Debug)]
pub struct File {
    fd: Fd,
}

/// Standard input, open from the start.
pub const STDIN: ManuallyDrop<File> = ManuallyDrop::new(File { fd: Fd(0) });
/// Standard output, open from the start. Never closed: the runtime prints through it.
pub const STDOUT: ManuallyDrop<File> = ManuallyDrop::new(File { fd: Fd(1) });
/// Standard error, likewise.
pub const STDERR: ManuallyDrop<File> = ManuallyDrop::new(File { fd: Fd(2) });

impl File {
    /// Opens an initrd member or a device.
    pub fn open(path: &str) -> Result<Self, Errno> {
        sys::open(path).map(|fd| Self { fd })
    }

    /// A pipe: read end, write end.
    pub fn pipe() -> Result<(Self, Self), Errno> {
        let (read, write) = sys::pipe()?;
        Ok((Self { fd: read }, Self { fd: write }))
    }

    /// Memory of that name for several processes, to be mapped; made if there is none.
    pub fn shared_memory(name: &str, bytes: usize) -> Result<Self, Errno> {
        sys::ipc::shm_open(name, bytes as u64).map(Self::owning)
    }

    /// The file of a descriptor that has no other owner.
    pub(crate) fn owning(fd: Fd) -> Self {
        Self { fd }
    }

    /// Its descriptor.
    pub fn fd(&self) -> Fd {
        self.fd
    }

    /// Reads up to `to.len()` bytes; 0 at the end.
    pub fn read(&self, to: &mut [u8]) -> Result<usize, Errno> {
        sys::read(self.fd, to)
    }

    /// Writes with one system call; how many bytes it took.
    pub fn write(&self, from: &[u8]) -> Result<usize, Errno> {
        sys::write(self.fd, from)
    }

    /// Reads until `to` is full; [`Errno::Io`] if the file ends before.
    pub fn read_exact(&self, mut to: &mut [u8]) -> Result<(), Errno> {
        while !to.is_empty() {
            match self.read(to)? {
                0 => return Err(Errno::Io),
                n => to = &mut to[n..],
            }
        }
        Ok(())
    }

    /// Writes until nothing is left.
    pub fn write_all(&self, mut from: &[u8]) -> Result<(), Errno> {
        while !from.is_empty() {
            match self.write(from)? {
                0 => return Err(Errno::Io),
                n => from = &from[n..],
            }
        }
        Ok(())
    }

    /// All of an initrd member, as text.
    pub fn read_text(&self) -> Result<String, Errno> {
        let len = usize::try_from(sys::size(self.fd)?).map_err(|_| Errno::NoMem)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::NoMem)?;
        bytes.resize(len, 0);
        self.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| Errno::Inval)
    }

    /// Sets the position of the next read or write, in bytes.
    pub fn seek(&self, offset: u64) -> Result<(), Errno> {
        sys::seek(self.fd, offset)
    }

    /// Waits until all that was written is on stable storage.
    pub fn flush(&self) -> Result<(), Errno> {
        sys::flush(self.fd)
    }

    /// Sets how completions of this device are awaited.
    pub fn set_io_mode(&self, mode: IoMode) -> Result<(), Errno> {
        sys::set_io_mode(self.fd, mode)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // The descriptor is this file's own: closing it cannot fail.
        let _ = sys::close(self.fd);
    }
}

/// Text of at most `N` bytes, formatted without a heap.
pub struct TextBuffer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> TextBuffer<N> {
    /// An empty one.
    #[expect(
        clippy::new_without_default,
        reason = "nothing asks for a default buffer"
    )]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// What has been written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const N: usize> fmt::Write for TextBuffer<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = text.len().min(N - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += taken;
        if taken == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Writes a line of up to 256 bytes to standard output with one system call, so that lines of
/// several programs do not mix.
#[macro_export]
macro_rules! println {
    ($($format:tt)*) => {{
        use core::fmt::Write as _;
        let mut text = $crate::file::TextBuffer::<256>::new();
        // A longer line is cut off.
        let _ = writeln!(text, $($format)*);
        let _ = $crate::file::STDOUT.write_all(text.as_bytes());
    }};
}
