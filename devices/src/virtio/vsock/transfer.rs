//! Bytes between a socket that never blocks and guest memory, without a copy where that is
//! possible; [`Outgoing`] keeps what the socket has no room for.

use crate::virtio::ring::{Buffer, total_bytes};
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use vm_memory::{Bytes, GuestMemory, GuestMemoryMmap, Permissions, ReadVolatile, WriteVolatile};
use vm_memory::{VolatileMemoryError, VolatileSlice};

/// Guest memory that data may be read into.
pub(super) struct Room<'a> {
    pub(super) memory: &'a GuestMemoryMmap,
    /// Checked to be in memory.
    pub(super) buffers: &'a [Buffer],
}

impl Room<'_> {
    /// Reads at most `most` bytes; 0 at the end of the stream.
    pub(super) fn read_from(&self, stream: &UnixStream, most: u32) -> io::Result<u32> {
        let mut done = 0;
        for buffer in self.buffers {
            let wanted = buffer.len.min(most - done);
            if wanted == 0 {
                break;
            }
            let read = each_slice(self.memory, *buffer, wanted, Permissions::Write, |slice| {
                (&*stream).read_volatile(slice)
            });
            let bytes = match read {
                Ok(bytes) => bytes,
                // Comes again with the next read.
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            };
            done += bytes;
            if bytes < wanted {
                break;
            }
        }
        Ok(done)
    }
}

/// Calls `act` with the pieces of host memory behind the first `len` bytes of a buffer, until it
/// does less than a whole piece; returns the bytes done. An error is one only when none are.
fn each_slice(
    memory: &GuestMemoryMmap,
    buffer: Buffer,
    len: u32,
    access: Permissions,
    mut act: impl FnMut(&mut VolatileSlice<'_>) -> Result<usize, VolatileMemoryError>,
) -> io::Result<u32> {
    let slices = memory.get_slices(buffer.gpa, len as usize, access);
    let mut done = 0;
    for slice in slices.map_err(io::Error::other)? {
        let mut slice = slice.map_err(io::Error::other)?;
        let whole = slice.len();
        let acted = loop {
            match act(&mut slice) {
                Err(VolatileMemoryError::IOError(error))
                    if error.kind() == ErrorKind::Interrupted => {}
                acted => break acted,
            }
        };
        let bytes = match acted {
            Ok(bytes) => bytes,
            Err(_) if done > 0 => break,
            Err(VolatileMemoryError::IOError(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
        };
        done += bytes;
        if bytes < whole {
            break;
        }
    }
    // No more than the buffer's length.
    Ok(u32::try_from(done).unwrap_or(len))
}

/// Bytes of the guest for which the socket had no room. Bounded by the guest's credit.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// Of them, those sent already.
    start: usize,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Sends `buffers` or keeps them; returns the bytes sent.
    pub(super) fn send(
        &mut self,
        memory: &GuestMemoryMmap,
        buffers: &[Buffer],
        stream: &UnixStream,
    ) -> io::Result<usize> {
        let mut sent = 0;
        for buffer in buffers {
            let mut rest = *buffer;
            if self.is_empty() {
                let written = write_directly(memory, rest, stream)?;
                sent += written as usize;
                rest.len -= written;
                rest.gpa.0 += u64::from(written);
            }
            self.keep(memory, rest)?;
        }
        Ok(sent)
    }

    fn keep(&mut self, memory: &GuestMemoryMmap, buffer: Buffer) -> io::Result<()> {
        if buffer.len == 0 {
            return Ok(());
        }
        self.bytes.drain(..std::mem::take(&mut self.start));
        let end = self.bytes.len();
        self.bytes.resize(end + buffer.len as usize, 0);
        let kept = memory.read_slice(&mut self.bytes[end..], buffer.gpa);
        kept.map_err(io::Error::other)
    }

    /// Sends what is kept, as far as there is room; returns the bytes sent.
    pub(super) fn flush(&mut self, mut stream: &UnixStream) -> io::Result<usize> {
        let mut sent = 0;
        while !self.is_empty() {
            match stream.write(&self.bytes[self.start..]) {
                Ok(bytes) => {
                    sent += bytes;
                    self.start += bytes;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if self.start == self.bytes.len() {
                self.clear();
            }
        }
        Ok(sent)
    }

    /// Gives its memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Bytes of the buffer that the socket has taken.
fn write_directly(
    memory: &GuestMemoryMmap,
    buffer: Buffer,
    stream: &UnixStream,
) -> io::Result<u32> {
    let written = each_slice(memory, buffer, buffer.len, Permissions::Read, |slice| {
        (&*stream).write_volatile(slice)
    });
    match written {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// Bytes that buffers have room for, as packets count them.
pub(super) fn capacity(buffers: &[Buffer]) -> u32 {
    u32::try_from(total_bytes(buffers)).unwrap_or(u32::MAX)
}
