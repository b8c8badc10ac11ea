//! [`Source`]: a kernel file, of which headers are looked at and the rest goes straight to memory.

use super::kernel::KernelError;
use super::layout;
use crate::memory::GuestMemory;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, ReadVolatile};

/// What a kernel can be read from.
pub trait KernelFile: Read + ReadVolatile + Seek {}

impl<F: Read + ReadVolatile + Seek> KernelFile for F {}

/// A file, or the part of one that is a kernel of its own.
pub(super) struct Source<'a, F> {
    file: &'a mut F,
    start: u64,
    len: u64,
}

impl<'a, F: KernelFile> Source<'a, F> {
    /// The whole of a file.
    pub(super) fn new(file: &'a mut F) -> io::Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        let start = 0;
        Ok(Self { file, start, len })
    }

    /// A part of it, cut to what there is.
    pub(super) fn part(&mut self, range: Range<u64>) -> Source<'_, F> {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        Source {
            file: self.file,
            start: self.start + start,
            len: end - start,
        }
    }

    /// Size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes at an offset, or those of them that the file has.
    pub(super) fn read(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let left = self.len.saturating_sub(offset);
        let len = usize::try_from(left).map_or(len, |left| left.min(len));
        let mut bytes = vec![0; len];
        if bytes.is_empty() {
            return Ok(bytes);
        }
        self.seek(offset)?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads `len` bytes at an offset into memory, which [`place`] has found good for them.
    pub(super) fn load(
        &mut self,
        memory: &GuestMemory,
        gpa: u64,
        offset: u64,
        len: u64,
    ) -> Result<(), KernelError> {
        self.seek(offset)?;
        let len = usize::try_from(len).expect("smaller than the guest's memory");
        memory
            .read_exact_volatile_from(GuestAddress(gpa), self.file, len)
            .map_err(|error| KernelError::Read(io::Error::other(error)))
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        // `part` keeps the start inside of the file.
        let at = self.start.saturating_add(offset);
        self.file.seek(SeekFrom::Start(at)).map(drop)
    }
}

/// Finds `size` bytes at `start` good for a part of a kernel: memory, and not Hostel's own.
pub(super) fn place(
    memory: &GuestMemory,
    what: &str,
    start: u64,
    size: u64,
) -> Result<Range<u64>, KernelError> {
    let what = || what.to_owned();
    let end = start.saturating_add(size);
    let range = start..end;
    if let Some((_, name)) = layout::OURS
        .iter()
        .find(|(ours, _)| start < ours.end && ours.start < end)
    {
        let what = what();
        return Err(KernelError::Ours { what, range, name });
    }
    let fits = usize::try_from(size)
        .is_ok_and(|len| len == 0 || memory.check_range(GuestAddress(start), len));
    if fits {
        Ok(range)
    } else {
        let what = what();
        Err(KernelError::DoesNotFit { what, range })
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
