//! [`UringEngine`]: transfers through io_uring, many in flight. Their completion signals an
//! event that the device's worker waits for along with the others.
#![expect(
    unsafe_code,
    reason = "io_uring takes addresses that must outlive the request"
)]

use super::{Completion, DEPTH, Engine, Transfer, sync};
use crate::virtio::io_buffers::IoBuffers;
use io_uring::types::{Fd, FsyncFlags};
use io_uring::{IoUring, Probe, opcode, squeue};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use vmm_sys_util::eventfd::EventFd;

/// Does transfers by io_uring.
pub struct UringEngine {
    /// Declared first, so that it is closed before what it points to is freed.
    ring: IoUring,
    file: File,
    completion_evt: EventFd,
    /// By tag. The kernel uses their vectors until they complete.
    in_flight: Vec<Option<Transfer>>,
    /// Those of the above that the kernel has been told of, or will be.
    started: usize,
    /// Some of them the kernel would not be told of.
    refused: bool,
}

impl UringEngine {
    /// An engine on `file`, if the host has io_uring and lets this process use it.
    pub fn new(file: File) -> io::Result<Self> {
        let ring = IoUring::new(DEPTH.into())?;
        probe(&ring)?;
        let completion_evt = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        ring.submitter()
            .register_eventfd(completion_evt.as_raw_fd())?;
        Ok(Self {
            ring,
            file,
            completion_evt,
            in_flight: (0..DEPTH).map(|_| None).collect(),
            started: 0,
            refused: false,
        })
    }

    fn entry(&self, transfer: &Transfer) -> squeue::Entry {
        let file = Fd(self.file.as_raw_fd());
        match transfer {
            Transfer::Read { offset, buffers } => {
                let (first, count) = raw(buffers);
                opcode::Readv::new(file, first, count)
                    .offset(*offset)
                    .build()
            }
            Transfer::Write {
                offset,
                buffers,
                durability,
            } => {
                let (first, count) = raw(buffers);
                opcode::Writev::new(file, first, count)
                    .offset(*offset)
                    .rw_flags(sync::rw_flags(*durability))
                    .build()
            }
            Transfer::Flush => opcode::Fsync::new(file).flags(FsyncFlags::DATASYNC).build(),
        }
    }

    /// What came of a transfer whose completion says `result`. The rest of one that the kernel
    /// has cut short, which is rare, is done here.
    fn finish(&self, transfer: Transfer, result: i32) -> io::Result<()> {
        let done = match usize::try_from(result) {
            Ok(done) => done,
            Err(_) if matches!(-result, libc::EINTR | libc::EAGAIN) => 0,
            Err(_) => return Err(io::Error::from_raw_os_error(-result)),
        };
        let rest = match transfer {
            Transfer::Flush if result >= 0 => return Ok(()),
            Transfer::Flush => Transfer::Flush,
            Transfer::Read { buffers, .. } | Transfer::Write { buffers, .. }
                if buffers.len() == done =>
            {
                return Ok(());
            }
            Transfer::Read {
                offset,
                mut buffers,
            } => {
                buffers.advance(done);
                let offset = offset + done as u64;
                Transfer::Read { offset, buffers }
            }
            Transfer::Write {
                offset,
                mut buffers,
                durability,
            } => {
                buffers.advance(done);
                let offset = offset + done as u64;
                Transfer::Write {
                    offset,
                    buffers,
                    durability,
                }
            }
        };
        sync::run(&self.file, rest)
    }

    fn enter(&mut self, want: usize) {
        loop {
            match self.ring.submit_and_wait(want) {
                Ok(_) => {
                    self.refused = false;
                    return;
                }
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                // The kernel is short of memory; it has taken some or none.
                Err(error) => {
                    log::debug!("io_uring submission: {error}");
                    self.refused = true;
                    return;
                }
            }
        }
    }
}

impl Engine for UringEngine {
    fn start(&mut self, tag: u16, transfer: Transfer) {
        let entry = self.entry(&transfer).user_data(tag.into());
        let slot = &mut self.in_flight[usize::from(tag)];
        assert!(slot.is_none(), "a tag belongs to one transfer at a time");
        *slot = Some(transfer);
        self.started += 1;
        // SAFETY: the vectors that the entry points to are on the heap of the transfer in
        // `in_flight`, which is neither changed nor freed until its completion is seen, and point
        // to memory that it keeps mapped; `drop` waits for all completions.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        // The queue has as many entries as there are tags.
        pushed.expect("one entry for each tag");
    }

    fn submit(&mut self) {
        if !self.ring.submission().is_empty() {
            self.enter(0);
        }
    }

    fn completed(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let tag = u16::try_from(entry.user_data()).ok()?;
        let transfer = self.in_flight.get_mut(usize::from(tag))?.take()?;
        self.started -= 1;
        let result = self.finish(transfer, entry.result());
        Some(Completion { tag, result })
    }

    fn has_completed(&self) -> bool {
        // SAFETY: only this thread has the completion queue, and nothing holds a view of it.
        let completion = unsafe { self.ring.completion_shared() };
        self.refused || !completion.is_empty()
    }

    fn completion_fd(&self) -> Option<RawFd> {
        Some(self.completion_evt.as_raw_fd())
    }

    fn acknowledge(&self) {
        // Empty when those that it was for have been taken already.
        let _ = self.completion_evt.read();
    }

    fn wait(&mut self) {
        if self.started > 0 && self.ring.completion().is_empty() {
            self.enter(1);
        }
    }
}

impl Drop for UringEngine {
    /// Waits until the kernel has no address any more.
    fn drop(&mut self) {
        while self.started > 0 {
            self.wait();
            while self.completed().is_some() {}
        }
    }
}

fn raw(buffers: &IoBuffers) -> (*const libc::iovec, u32) {
    let vectors = buffers.vectors();
    // At most 1024, see there.
    let count = u32::try_from(vectors.len()).unwrap_or(0);
    (vectors.as_ptr(), count)
}

/// Fails unless the kernel knows all that the engine asks of it.
fn probe(ring: &IoUring) -> io::Result<()> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    let needed = [
        opcode::Readv::CODE,
        opcode::Writev::CODE,
        opcode::Fsync::CODE,
    ];
    if needed.into_iter().all(|code| probe.is_supported(code)) {
        return Ok(());
    }
    Err(io::ErrorKind::Unsupported.into())
}
