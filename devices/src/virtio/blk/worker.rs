//! The disk's thread: takes requests while there are free tags, starts them, and gives back all
//! that are finished, with one interrupt; then it stays awake for a moment, if that has paid. As
//! long as it does, the interrupt may wait for more ([`Coalescing`]).

use super::engine::{DEPTH, Durability, Engine, Transfer};
use super::request::{Limits, Range, RangeOp, Reply, Request, Status, parse, take_reply};
use crate::disk::{DiskFile, DiskOperation};
use crate::virtio::coalesce::Coalescing;
use crate::virtio::ring::{Buffer, Chain, Ring};
use crate::virtio::vigil::{Stay, Vigil};
use crate::virtio::worker::Work;
use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use vm_memory::Bytes;
use vmm_sys_util::fallocate::{FallocateMode, fallocate};

const REQUESTS: u32 = 0;
const COMPLETIONS: u32 = 1;
/// How often the worker serves before it looks at its other sources, whether to stop among them.
const TURNS: u32 = 64;

pub(super) struct BlkWork {
    ring: Ring,
    disk: Arc<DiskFile>,
    engine: Box<dyn Engine>,
    limits: Limits,
    /// By tag: requests that the engine is at.
    in_flight: Vec<Option<(Reply, DiskOperation)>>,
    free_tags: Vec<u16>,
    vigil: Vigil,
    coalescing: Coalescing,
}

impl BlkWork {
    pub(super) fn new(
        ring: Ring,
        disk: Arc<DiskFile>,
        engine: Box<dyn Engine>,
        limits: Limits,
    ) -> Self {
        Self {
            ring,
            disk,
            engine,
            limits,
            in_flight: (0..DEPTH).map(|_| None).collect(),
            free_tags: (0..DEPTH).collect(),
            vigil: Vigil::default(),
            coalescing: Coalescing::default(),
        }
    }

    /// Serves what there is, and what comes while the worker stays awake.
    fn serve(&mut self) {
        self.vigil.woken();
        self.ring.begin();
        for _ in 0..TURNS {
            self.take_and_give();
            self.vigil.served();
            if self.holds_interrupt() {
                if self.stays(Stay::Likely) {
                    continue;
                }
                self.coalescing.in_vain(self.ring.unsignalled());
            }
            self.ring.signal();
            if !self.stays(Stay::Long) {
                break;
            }
        }
        self.end();
    }

    /// Whether the interrupt for what was answered may wait. Not for the disk: only where the next
    /// thing to happen is a request, for which the worker stays awake.
    fn holds_interrupt(&mut self) -> bool {
        let all_answered = self.free_tags.len() == self.in_flight.len();
        all_answered
            && self.vigil.is_kept()
            && self.ring.interrupt_is_due()
            && self.coalescing.holds(self.ring.unsignalled())
    }

    /// Stays awake; whether there is more to do.
    fn stays(&mut self, stay: Stay) -> bool {
        let (ring, engine) = (&self.ring, &self.engine);
        let tags = !self.free_tags.is_empty();
        let more = || tags && ring.has_more() || engine.has_completed();
        self.vigil.keep(stay, more)
    }

    /// Leaves nothing behind that the driver does not know of, or that wakes nobody.
    fn end(&mut self) {
        self.ring.signal();
        // For what was given back while the worker was awake, it need not wake up again.
        self.engine.acknowledge();
        let completed = self.engine.has_completed();
        // Without a free tag, the next completion brings the worker back here.
        if !self.free_tags.is_empty() && self.ring.end() || completed {
            self.ring.postpone();
        }
    }

    fn take_and_give(&mut self) {
        for _ in 0..self.ring.size() {
            if self.free_tags.is_empty() {
                break;
            }
            let Some(chain) = self.ring.pop() else { break };
            self.handle(chain);
        }
        self.engine.submit();
        self.give_back();
    }

    fn handle(&mut self, mut chain: Chain) {
        let Some(reply) = take_reply(&mut chain, self.ring.memory()) else {
            return self.ring.push(chain.head, 0);
        };
        let status = match parse(chain, self.ring.memory(), &self.limits) {
            Ok(Request::Transfer(transfer)) => {
                return self.start(reply, transfer);
            }
            Ok(Request::GetId(buffers)) => self.get_id(&buffers),
            Ok(Request::Ranges(ranges)) => self.change_ranges(&ranges),
            Err(status) => status,
        };
        self.reply(reply, status);
    }

    fn start(&mut self, reply: Reply, transfer: Transfer) {
        let (operation, there) = match &transfer {
            Transfer::Read { .. } => (DiskOperation::Read, Ok(())),
            Transfer::Flush => (DiskOperation::Flush, Ok(())),
            Transfer::Write {
                offset, buffers, ..
            } => {
                let end = offset + buffers.len() as u64;
                (DiskOperation::Write, self.disk.reaches(end))
            }
        };
        if let Err(error) = there {
            self.disk.failed(operation, &error);
            return self.reply(reply, Status::IoError);
        }
        // The caller has seen that there is one.
        if let Some(tag) = self.free_tags.pop() {
            self.in_flight[usize::from(tag)] = Some((reply, operation));
            self.engine.start(tag, transfer);
        }
    }

    fn give_back(&mut self) {
        while let Some(completion) = self.engine.completed() {
            let under_way = self.in_flight[usize::from(completion.tag)].take();
            let Some((reply, operation)) = under_way else {
                continue;
            };
            self.free_tags.push(completion.tag);
            let status = match completion.result {
                Ok(()) => Status::Ok,
                Err(error) => {
                    self.disk.failed(operation, &error);
                    Status::IoError
                }
            };
            self.reply(reply, status);
        }
    }

    fn reply(&mut self, reply: Reply, status: Status) {
        // It was in memory when the request was taken.
        let written = self.ring.memory().write_obj(status as u8, reply.status);
        self.ring
            .push(reply.head, written.map_or(0, |()| reply.writable_bytes));
    }

    fn get_id(&self, buffers: &[Buffer]) -> Status {
        let id = self.disk.id();
        let mut left = &id[..];
        for buffer in buffers {
            let (part, rest) = left.split_at(left.len().min(buffer.len as usize));
            if self.ring.memory().write_slice(part, buffer.gpa).is_err() {
                return Status::IoError;
            }
            left = rest;
        }
        Status::Ok
    }

    fn change_ranges(&self, ranges: &[(RangeOp, Range)]) -> Status {
        let file = self.disk.file();
        let changed = ranges.iter().try_for_each(|(op, range)| {
            let operation = match op {
                RangeOp::Discard => DiskOperation::Discard,
                RangeOp::Zero | RangeOp::ZeroAndUnmap => DiskOperation::Write,
            };
            let there = self.disk.reaches(range.offset + range.len);
            let changed = there.and_then(|()| change(file, *op, *range));
            changed.map_err(|error| (operation, error))
        });
        let lasting = changed.and_then(|()| match self.limits.durability {
            Durability::Through => file.sync_data().map_err(|e| (DiskOperation::Flush, e)),
            Durability::Cached => Ok(()),
        });
        match lasting {
            Ok(()) => Status::Ok,
            Err((operation, error)) => {
                self.disk.failed(operation, &error);
                Status::IoError
            }
        }
    }
}

impl Work for BlkWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        let completions = self.engine.completion_fd().map(|fd| (fd, COMPLETIONS));
        [(self.ring.doorbell_fd(), REQUESTS)]
            .into_iter()
            .chain(completions)
            .collect()
    }

    fn on_ready(&mut self, _token: u32) {
        self.serve();
    }

    fn on_stop(&mut self) {
        while self.free_tags.len() < self.in_flight.len() {
            self.engine.wait();
            self.give_back();
        }
        self.ring.signal();
    }
}

/// Discards or zeroes a range. A file system that cannot discard need not; one that cannot zero
/// is written to.
fn change(file: &File, op: RangeOp, range: Range) -> io::Result<()> {
    if range.len == 0 {
        return Ok(());
    }
    let by = |mode| {
        fallocate(file, mode, true, range.offset, range.len)
            .map_err(|error| io::Error::from_raw_os_error(error.errno()))
    };
    match op {
        RangeOp::Discard => match by(FallocateMode::PunchHole) {
            Err(error) if is_unsupported(&error) => Ok(()),
            done => done,
        },
        RangeOp::ZeroAndUnmap => {
            by(FallocateMode::PunchHole).or_else(|_| write_zeroes(file, range))
        }
        RangeOp::Zero => by(FallocateMode::ZeroRange).or_else(|_| write_zeroes(file, range)),
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::ENODEV)
    )
}

fn write_zeroes(file: &File, range: Range) -> io::Result<()> {
    static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    let mut done = 0;
    while done < range.len {
        let part =
            usize::try_from(range.len - done).map_or(ZEROES.len(), |left| left.min(ZEROES.len()));
        file.write_all_at(&ZEROES[..part], range.offset + done)?;
        done += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
