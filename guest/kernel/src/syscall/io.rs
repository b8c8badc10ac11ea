//! Files. Devices read and write a program's pages themselves, which stay pinned meanwhile.

use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

use abi::net::{BATCH_BYTES, LENGTH_BYTES};
use abi::syscall::{Errno, IoMode};

use super::Outcome;
use super::process::text;
use crate::drivers::net::batch;
use crate::drivers::{BlockDevice, CharDevice, NetDevice, Segment};
use crate::initrd::Member;
use crate::ipc::{PIPE_BYTES, Pipe};
use crate::mm::fault::Access;
use crate::process::{Kind, OpenFile, current};
use crate::time::NEVER;

/// Bytes whose pages are pinned at a time: few against any budget of frames worth testing.
const PIECE: u64 = 64 * 1024;
const SECTOR: u64 = 512;

const _: () = assert!(BATCH_BYTES as u64 <= PIECE, "a batch is one piece");

pub(super) fn sys_open(path: u64, len: u64) -> Outcome {
    let file = OpenFile::open(&text((path, len))?)?;
    current().files.lock().add(file)
}

pub(super) fn sys_close(number: u64) -> Outcome {
    let file = current().files.lock().remove(number)?;
    drop(file);
    Ok(0)
}

/// The running process's file of that number.
pub(super) fn file(number: u64) -> Result<Arc<OpenFile>, Errno> {
    current().files.lock().get(number)
}

pub(super) fn sys_read(number: u64, buffer: u64, len: u64) -> Outcome {
    let file = file(number)?;
    match &file.kind {
        Kind::Char(device) => read_char(*device, file.mode(), buffer, len),
        Kind::Block(device) => read_block(*device, &file, buffer, len),
        Kind::Net(device) => read_net(*device, file.mode(), buffer, len),
        Kind::Member(member) => read_member(member, &file, buffer, len),
        Kind::PipeReader(pipe) => read_pipe(pipe, (buffer, len), NEVER),
        Kind::Socket(socket) => read_pipe(&socket.incoming, (buffer, len), NEVER),
        Kind::PipeWriter(_) | Kind::Queue(_) | Kind::Listener(_) | Kind::Memory(_) => {
            Err(Errno::BadF)
        }
    }
}

pub(super) fn sys_write(number: u64, buffer: u64, len: u64) -> Outcome {
    let file = file(number)?;
    match &file.kind {
        Kind::Char(device) => write_char(*device, file.mode(), buffer, len),
        Kind::Block(device) => write_block(*device, &file, buffer, len),
        Kind::Net(device) => write_net(*device, file.mode(), buffer, len),
        Kind::PipeWriter(pipe) => write_pipe(pipe, (buffer, len), NEVER),
        Kind::Socket(socket) => write_pipe(&socket.outgoing, (buffer, len), NEVER),
        Kind::Member(_)
        | Kind::PipeReader(_)
        | Kind::Queue(_)
        | Kind::Listener(_)
        | Kind::Memory(_) => Err(Errno::BadF),
    }
}

/// Pins `len` bytes at `buffer`, a piece at a time, and calls `each` with every piece until one
/// fails or is not used up; the bytes used. A failure after the first piece is a short count.
fn in_pieces(
    buffer: u64,
    len: u64,
    access: Access,
    mut each: impl FnMut(&[Segment], u64) -> Outcome,
) -> Outcome {
    let mut done = 0;
    while done < len {
        let piece = (len - done).min(PIECE);
        let address = buffer.checked_add(done).ok_or(Errno::Fault)?;
        let pinned = current().with_space(|space| space.pin(address, piece, access));
        match pinned.and_then(|pinned| each(&pinned.segments(), done)) {
            Ok(used) => {
                done += used;
                if used < piece {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

fn read_char(device: &dyn CharDevice, mode: IoMode, buffer: u64, len: u64) -> Outcome {
    in_pieces(buffer, len.min(PIECE), Access::Write, |segments, _| {
        device.read(segments, mode).map(|count| count as u64)
    })
}

fn write_char(device: &dyn CharDevice, mode: IoMode, buffer: u64, len: u64) -> Outcome {
    in_pieces(buffer, len, Access::Read, |segments, _| {
        device.write(segments, mode).map(|count| count as u64)
    })
}

/// Bytes of a batch that are looked at, if it is where one may be.
fn batch_bytes(buffer: u64, len: u64) -> Outcome {
    if !buffer.is_multiple_of(LENGTH_BYTES as u64) {
        return Err(Errno::Inval);
    }
    Ok(len.min(BATCH_BYTES as u64))
}

fn read_net(device: &dyn NetDevice, mode: IoMode, buffer: u64, len: u64) -> Outcome {
    let len = batch_bytes(buffer, len)?;
    in_pieces(buffer, len, Access::Write, |segments, _| {
        batch::receive(device, segments, mode).map(|count| count as u64)
    })
}

fn write_net(device: &dyn NetDevice, mode: IoMode, buffer: u64, len: u64) -> Outcome {
    let len = batch_bytes(buffer, len)?;
    in_pieces(buffer, len, Access::Read, |segments, _| {
        batch::send(device, segments, mode).map(|count| count as u64)
    })
}

fn read_block(device: &dyn BlockDevice, file: &OpenFile, buffer: u64, len: u64) -> Outcome {
    let start = file.position.load(Relaxed);
    let len = len.min(capacity(device).saturating_sub(start));
    if !len.is_multiple_of(SECTOR) {
        return Err(Errno::Inval);
    }
    let count = in_pieces(buffer, len, Access::Write, |segments, done| {
        device.read((start + done) / SECTOR, segments, file.mode())?;
        Ok(bytes(segments))
    })?;
    file.position.store(start + count, Relaxed);
    Ok(count)
}

fn write_block(device: &dyn BlockDevice, file: &OpenFile, buffer: u64, len: u64) -> Outcome {
    let start = file.position.load(Relaxed);
    if !len.is_multiple_of(SECTOR) {
        return Err(Errno::Inval);
    }
    if len > capacity(device).saturating_sub(start) {
        return Err(Errno::NoSpc);
    }
    let count = in_pieces(buffer, len, Access::Read, |segments, done| {
        device.write((start + done) / SECTOR, segments, file.mode())?;
        Ok(bytes(segments))
    })?;
    file.position.store(start + count, Relaxed);
    Ok(count)
}

fn capacity(device: &dyn BlockDevice) -> u64 {
    device.sectors().saturating_mul(SECTOR)
}

fn bytes(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| u64::from(segment.len)).sum()
}

fn read_member(member: &Member, file: &OpenFile, buffer: u64, len: u64) -> Outcome {
    let start = file.position.load(Relaxed).min(member.data.len() as u64) as usize;
    let rest = &member.data[start..];
    let count = len.min(rest.len() as u64);
    current().with_space(|space| space.copy_out(buffer, &rest[..count as usize]))?;
    file.position.store(start as u64 + count, Relaxed);
    Ok(count)
}

/// Reads from a pipe with one copy, to the program's pages, at most as many bytes as it may hold.
pub(super) fn read_pipe(pipe: &Pipe, (buffer, len): (u64, u64), deadline_ns: u64) -> Outcome {
    let process = current();
    let len = len.min(pipe.capacity() as u64);
    let pinned = process.with_space(|space| space.pin(buffer, len, Access::Write))?;
    let count = pipe.read(len as usize, deadline_ns, |at, bytes| {
        pinned.write_at(at, bytes);
    })?;
    process.transfers.copied(count as u64);
    Ok(count as u64)
}

/// Writes to a pipe with one copy, from the program's pages, a piece at a time.
pub(super) fn write_pipe(pipe: &Pipe, (buffer, len): (u64, u64), deadline_ns: u64) -> Outcome {
    let process = current();
    let mut done = 0;
    while done < len {
        let address = buffer.checked_add(done).ok_or(Errno::Fault)?;
        let count = (len - done).min(PIPE_BYTES as u64);
        let pinned = process.with_space(|space| space.pin(address, count, Access::Read));
        let written = pinned.and_then(|pinned| {
            pipe.write(count as usize, deadline_ns, |at, to| pinned.read_at(at, to))
        });
        match written {
            Ok(written) => {
                process.transfers.copied(written as u64);
                done += written as u64;
                if (written as u64) < count {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

pub(super) fn sys_seek(number: u64, offset: u64) -> Outcome {
    let file = file(number)?;
    match &file.kind {
        Kind::Block(_) if !offset.is_multiple_of(SECTOR) => Err(Errno::Inval),
        Kind::Block(_) | Kind::Member(_) => {
            file.position.store(offset, Relaxed);
            Ok(0)
        }
        _ => Err(Errno::Inval),
    }
}

pub(super) fn sys_flush(number: u64) -> Outcome {
    let file = file(number)?;
    match &file.kind {
        Kind::Block(device) => device.flush(file.mode()).map(|()| 0),
        _ => Ok(0),
    }
}

pub(super) fn sys_size(number: u64) -> Outcome {
    match &file(number)?.kind {
        Kind::Block(device) => Ok(capacity(*device)),
        Kind::Member(member) => Ok(member.data.len() as u64),
        Kind::Memory(memory) => Ok(memory.bytes()),
        _ => Err(Errno::Inval),
    }
}

pub(super) fn sys_pipe(address: u64) -> Outcome {
    let pipe = Pipe::new(PIPE_BYTES);
    let (reader, writer) = (
        OpenFile::new(Kind::PipeReader(pipe.clone())),
        OpenFile::new(Kind::PipeWriter(pipe)),
    );
    add_two(reader, writer, address)
}

/// Opens two files, whose numbers are written to the program's `address`.
pub(super) fn add_two(first: Arc<OpenFile>, second: Arc<OpenFile>, address: u64) -> Outcome {
    let process = current();
    let numbers = {
        let mut files = process.files.lock();
        let first = files.add(first)?;
        match files.add(second) {
            Ok(second) => [first as u32, second as u32],
            Err(error) => {
                // Dropped below the lock only: closing wakes those who wait.
                let unused = files.remove(first);
                drop(files);
                drop(unused);
                return Err(error);
            }
        }
    };
    process
        .with_space(|space| space.write(address, &numbers))
        .map(|()| 0)
}

pub(super) fn sys_dup(from: u64, to: u64) -> Outcome {
    let process = current();
    let file = process.files.lock().get(from)?;
    let replaced = process.files.lock().set(to, file)?;
    drop(replaced);
    Ok(to)
}

pub(super) fn sys_set_io_mode(number: u64, mode: u64) -> Outcome {
    let mode = IoMode::from_number(mode).ok_or(Errno::Inval)?;
    file(number)?.set_mode(mode);
    Ok(0)
}
