//! Reads a [`Request`] out of a chain of buffers (virtio 1.3 5.2.6) and checks all of it.
//!
//! ```text
//!   readable: header (16 bytes) | data to write, or ranges     writable: data read | status
//! ```
//! Where one part ends and the next begins has nothing to do with buffers (2.7.4.3).

use super::engine::{Durability, Transfer};
use super::{DISCARD_SECTORS_MAX, RANGES_MAX, ZERO_SECTORS_MAX};
use crate::disk::{DiskAccess, SECTOR_BYTES};
use crate::virtio::io_buffers::IoBuffers;
use crate::virtio::ring::{Buffer, Chain, Defect, read_front, split_front, total_bytes};
use std::sync::Arc;
use virtio_bindings::virtio_blk as bindings;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const HEADER_BYTES: usize = 16;
const RANGE_BYTES: usize = 16;
const FLAG_UNMAP: u32 = bindings::VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

/// Outcome of a request, in its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

/// What a request may ask for.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) sectors: u64,
    pub(super) access: DiskAccess,
    pub(super) durability: Durability,
    pub(super) discard: bool,
    pub(super) write_zeroes: bool,
}

/// Part of the disk, within its size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// What to do with ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeOp {
    /// Their contents are not needed any more.
    Discard,
    /// They read as zeroes afterwards, and keep their place in the file.
    Zero,
    /// They read as zeroes afterwards, and need no place.
    ZeroAndUnmap,
}

#[derive(Debug)]
pub(super) enum Request {
    Transfer(Transfer),
    /// Buffers for the disk's name.
    GetId(Vec<Buffer>),
    Ranges(Vec<(RangeOp, Range)>),
}

/// Where a request's status goes, and how it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) head: u16,
    pub(super) status: GuestAddress,
    /// Length of what the device may write, status included.
    pub(super) writable_bytes: u32,
}

/// Takes the status byte off the chain; none when it has no place for one.
pub(super) fn take_reply(chain: &mut Chain, memory: &GuestMemoryMmap) -> Option<Reply> {
    let writable_bytes = u32::try_from(total_bytes(&chain.writable)).ok()?;
    let last = chain.writable.last_mut()?;
    last.len -= 1;
    let status = GuestAddress(last.gpa.0.checked_add(last.len.into())?);
    if last.len == 0 {
        chain.writable.pop();
    }
    memory.read_obj::<u8>(status).ok()?;
    Some(Reply {
        head: chain.head,
        status,
        writable_bytes,
    })
}

/// The request in `chain`, whose status byte has been taken, or what to answer it.
pub(super) fn parse(
    mut chain: Chain,
    memory: &Arc<GuestMemoryMmap>,
    limits: &Limits,
) -> Result<Request, Status> {
    match chain.defect {
        None => {}
        Some(Defect::Endless | Defect::Order | Defect::OutsideMemory | Defect::Huge) => {
            return Err(Status::IoError);
        }
    }
    let mut header = [0; HEADER_BYTES];
    let front = split_front(&mut chain.readable, HEADER_BYTES as u64).ok_or(Status::IoError)?;
    if !read_front(memory, &front, &mut header) {
        return Err(Status::IoError);
    }
    let kind = u32::from_le_bytes(field(&header, 0));
    let sector = u64::from_le_bytes(field(&header, 8));
    match kind {
        bindings::VIRTIO_BLK_T_IN => {
            let (offset, buffers) =
                limits.data(memory, sector, &chain.writable, &chain.readable)?;
            Ok(Request::Transfer(Transfer::Read { offset, buffers }))
        }
        bindings::VIRTIO_BLK_T_OUT => {
            limits.check_writable()?;
            let (offset, buffers) =
                limits.data(memory, sector, &chain.readable, &chain.writable)?;
            Ok(Request::Transfer(Transfer::Write {
                offset,
                buffers,
                durability: limits.durability,
            }))
        }
        bindings::VIRTIO_BLK_T_FLUSH => Ok(Request::Transfer(Transfer::Flush)),
        bindings::VIRTIO_BLK_T_GET_ID => Ok(Request::GetId(chain.writable)),
        bindings::VIRTIO_BLK_T_DISCARD if limits.discard => limits.ranges(
            memory,
            &chain.readable,
            DISCARD_SECTORS_MAX,
            |flags| match flags {
                0 => Some(RangeOp::Discard),
                _ => None,
            },
        ),
        bindings::VIRTIO_BLK_T_WRITE_ZEROES if limits.write_zeroes => limits.ranges(
            memory,
            &chain.readable,
            ZERO_SECTORS_MAX,
            |flags| match flags {
                0 => Some(RangeOp::Zero),
                FLAG_UNMAP => Some(RangeOp::ZeroAndUnmap),
                _ => None,
            },
        ),
        _ => Err(Status::Unsupported),
    }
}

impl Limits {
    fn check_writable(&self) -> Result<(), Status> {
        match self.access {
            DiskAccess::ReadWrite => Ok(()),
            DiskAccess::ReadOnly => Err(Status::IoError),
        }
    }

    /// The bytes of `count` sectors from `sector`, if the disk has them.
    fn range(&self, sector: u64, count: u64) -> Result<Range, Status> {
        let end = sector.checked_add(count).ok_or(Status::IoError)?;
        if end > self.sectors {
            return Err(Status::IoError);
        }
        // Neither overflows: the disk's size in bytes is 64 bits.
        Ok(Range {
            offset: sector * SECTOR_BYTES,
            len: count * SECTOR_BYTES,
        })
    }

    /// Where a read or write of `data` goes on the disk and in this process. Buffers of the
    /// `wrong_way` mean that the driver has confused the two.
    fn data(
        &self,
        memory: &Arc<GuestMemoryMmap>,
        sector: u64,
        data: &[Buffer],
        wrong_way: &[Buffer],
    ) -> Result<(u64, IoBuffers), Status> {
        let bytes = total_bytes(data);
        if bytes == 0 || !bytes.is_multiple_of(SECTOR_BYTES) || !wrong_way.is_empty() {
            return Err(Status::IoError);
        }
        let range = self.range(sector, bytes / SECTOR_BYTES)?;
        let buffers = IoBuffers::new(memory, data).ok_or(Status::IoError)?;
        Ok((range.offset, buffers))
    }

    /// The ranges in `data`, each of at most `sectors_max`; `op` tells what their flags ask for.
    fn ranges(
        &self,
        memory: &GuestMemoryMmap,
        data: &[Buffer],
        sectors_max: u32,
        op: impl Fn(u32) -> Option<RangeOp>,
    ) -> Result<Request, Status> {
        self.check_writable()?;
        let len = usize::try_from(total_bytes(data)).map_err(|_| Status::IoError)?;
        let most = RANGE_BYTES * RANGES_MAX as usize;
        if len == 0 || !len.is_multiple_of(RANGE_BYTES) || len > most {
            return Err(Status::IoError);
        }
        let mut bytes = vec![0; len];
        if !read_front(memory, data, &mut bytes) {
            return Err(Status::IoError);
        }
        let ranges = bytes.chunks_exact(RANGE_BYTES).map(|range| {
            let sector = u64::from_le_bytes(field(range, 0));
            let count = u32::from_le_bytes(field(range, 8));
            let flags = u32::from_le_bytes(field(range, 12));
            let op = op(flags).ok_or(Status::Unsupported)?;
            if count > sectors_max {
                return Err(Status::IoError);
            }
            Ok((op, self.range(sector, count.into())?))
        });
        Ok(Request::Ranges(ranges.collect::<Result<_, _>>()?))
    }
}

/// `N` bytes at `at`; the caller's constants are within `bytes`.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
