//! The console's thread: bytes from the transmit queue to the sink, and from the input to the
//! receive queue.

use super::{ConsoleInput, SharedSink};
use crate::virtio::ring::{Buffer, Chain, Ring, total_bytes};
use crate::virtio::worker::Work;
use std::io::{self, ErrorKind, Write};
use std::os::fd::RawFd;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use vm_memory::{Bytes, GuestAddress};

const INPUT_READY: u32 = 0;
const RECEIVE_READY: u32 = 1;
const TRANSMIT_READY: u32 = 2;

/// Output is gathered up to this much before it goes to the sink.
const BATCH_BYTES: usize = 16 << 10;
/// Output taken before the worker looks at its other events.
const TURN_BYTES: u64 = 1 << 20;
/// Pause before a sink that is full is tried again.
const RETRY: Duration = Duration::from_millis(1);

pub(super) struct ConsoleWork {
    receive: Ring,
    transmit: Ring,
    sink: SharedSink,
    input: ConsoleInput,
    /// Output on its way to the sink; empty between events.
    batch: Vec<u8>,
}

impl ConsoleWork {
    pub(super) fn new(
        receive: Ring,
        transmit: Ring,
        sink: SharedSink,
        input: ConsoleInput,
    ) -> Self {
        // Some may have come before the guest was ready.
        input.announce();
        Self {
            receive,
            transmit,
            sink,
            input,
            batch: Vec::new(),
        }
    }

    /// From the guest: all that is there goes to the sink in batches, then one interrupt.
    fn transmit(&mut self) {
        self.transmit.begin();
        let mut taken_bytes = 0;
        while taken_bytes < TURN_BYTES {
            let Some(chain) = self.transmit.pop() else {
                break;
            };
            // Counted with its descriptors, so that empty chains use up the turn as well.
            taken_bytes += total_bytes(&chain.readable) + 16;
            if chain.defect.is_none() {
                for buffer in &chain.readable {
                    self.gather(*buffer);
                }
            }
            self.transmit.push(chain.head, 0);
        }
        self.send_batch();
        self.transmit.signal();
        if self.transmit.end() {
            self.transmit.postpone();
        }
    }

    /// Appends a buffer to the batch, and sends the batch whenever it is full.
    fn gather(&mut self, buffer: Buffer) {
        let Buffer { mut gpa, len } = buffer;
        let mut left = len as usize;
        while left > 0 {
            let start = self.batch.len();
            let part = left.min(BATCH_BYTES - start);
            self.batch.resize(start + part, 0);
            let read = self
                .transmit
                .memory()
                .read_slice(&mut self.batch[start..], gpa);
            if read.is_err() {
                self.batch.truncate(start);
                return;
            }
            if self.batch.len() == BATCH_BYTES {
                self.send_batch();
            }
            left -= part;
            gpa = GuestAddress(gpa.0.saturating_add(part as u64));
        }
    }

    fn send_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_all_patiently(&mut **sink, &self.batch) {
            log::debug!("console output of {} bytes: {error}", self.batch.len());
        }
        self.batch.clear();
    }

    /// To the guest: as much input as it has buffers for.
    fn receive(&mut self) {
        self.input.acknowledge();
        self.receive.begin();
        for _ in 0..self.receive.size() {
            if self.input.is_empty() {
                break;
            }
            let Some(chain) = self.receive.pop() else {
                break;
            };
            let written = self.fill(&chain);
            self.receive.push(chain.head, written);
        }
        self.receive.signal();
        // Buffers that are left wait for input: it comes with an event of its own.
        if self.receive.end() && !self.input.is_empty() {
            self.receive.postpone();
        }
    }

    /// Fills a chain with input; returns how many bytes.
    fn fill(&self, chain: &Chain) -> u32 {
        if chain.defect.is_some() {
            return 0;
        }
        let memory = self.receive.memory();
        let mut written = 0;
        for buffer in &chain.writable {
            let taken = self.input.take(buffer.len as usize, |bytes| {
                memory.write(bytes, buffer.gpa).unwrap_or(0)
            });
            // No more than the buffer's length, which is 32 bits.
            written += u32::try_from(taken).unwrap_or(buffer.len);
        }
        written
    }
}

impl Work for ConsoleWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        vec![
            (self.input.input_fd(), INPUT_READY),
            (self.receive.doorbell_fd(), RECEIVE_READY),
            (self.transmit.doorbell_fd(), TRANSMIT_READY),
        ]
    }

    fn on_ready(&mut self, token: u32) {
        match token {
            TRANSMIT_READY => self.transmit(),
            _ => self.receive(),
        }
    }

    /// The guest's last words, of which the worker may not have been told yet.
    fn on_stop(&mut self) {
        for _ in 0..self.transmit.size() {
            if !self.transmit.has_more() {
                break;
            }
            self.transmit();
        }
    }
}

/// Like `write_all` and `flush`, but a sink that would block (a non-blocking pipe or terminal
/// that is full) is waited for.
fn write_all_patiently(sink: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) => wait_if_full(error)?,
        }
    }
    loop {
        match sink.flush() {
            Ok(()) => return Ok(()),
            Err(error) => wait_if_full(error)?,
        }
    }
}

fn wait_if_full(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock => {
            thread::sleep(RETRY);
            Ok(())
        }
        _ => Err(error),
    }
}
