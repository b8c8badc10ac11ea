//! [`HypercallPage`]: a doorbell for a page of requests in the guest's memory (`abi::hypercall`
//! has the layout).
//!
//! The requests are served on the vCPU's thread, within the exit of the doorbell. The page is
//! copied first, so that nothing is looked at twice; each address and length is checked before it
//! is used; and the bytes of one page are limited, so that no exit lasts.

use crate::bus::{PioDevice, Width};
use crate::work::Working;
use abi::hypercall::{
    ADDRESS, COUNT, DONE, LEN, MOST_BYTES, MOST_PAGE_BYTES, MOST_REQUESTS, OPERATION, Operation,
    PAGE_BYTES, REQUEST_BYTES, REQUESTS, STATUSES, Status, VALUES, VERSION,
};
use std::fs::File;
use std::io::{self, Write};
use std::time::SystemTime;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// Bytes of console output that are copied at a time.
const PIECE: usize = 4096;

/// The doorbell. It has no state between two of its exits.
pub struct HypercallPage {
    memory: GuestMemoryMmap,
    random: File,
    output: Box<dyn Write + Send>,
    refused: u64,
}

/// A request as it was found in the page.
struct Request {
    operation: Option<Operation>,
    address: GuestAddress,
    len: u32,
}

impl Request {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            operation: Operation::from_number(u32_at(bytes, OPERATION)),
            address: GuestAddress(u64_at(bytes, ADDRESS)),
            len: u32_at(bytes, LEN),
        }
    }

    /// Bytes of data that it has.
    fn data_bytes(&self) -> u32 {
        match self.operation {
            Some(Operation::Random | Operation::Write) => self.len,
            Some(Operation::Nop | Operation::Time) | None => 0,
        }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

impl HypercallPage {
    /// A doorbell for pages of `memory`, with the console `output`.
    pub fn new(memory: GuestMemoryMmap, output: Box<dyn Write + Send>) -> io::Result<Self> {
        Ok(Self {
            memory,
            random: File::open("/dev/urandom")?,
            output,
            refused: 0,
        })
    }

    /// Serves the page at `gpa`; `None` if that is no page of requests.
    fn serve(&mut self, gpa: GuestAddress) -> Option<()> {
        let mut page = [0; PAGE_BYTES];
        self.memory.read_slice(&mut page, gpa).ok()?;
        let count = Some(u32_at(&page, COUNT)).filter(|count| *count <= MOST_REQUESTS)?;
        let requests = page[REQUESTS..].chunks_exact(REQUEST_BYTES);
        let (mut done, mut page_bytes) = (0_u32, 0_u32);
        for (nth, bytes) in requests.take(count as usize).enumerate() {
            let request = Request::parse(bytes);
            let all = page_bytes.saturating_add(request.data_bytes());
            let outcome = if request.data_bytes() > MOST_BYTES || all > MOST_PAGE_BYTES {
                Err(Status::TooLong)
            } else {
                page_bytes = all;
                self.execute(&request)
            };
            let status = match outcome {
                Ok(value) => {
                    done += 1;
                    self.answer(gpa, VALUES + nth * size_of::<u64>(), value);
                    Status::Done
                }
                Err(status) => status,
            };
            let at = STATUSES + nth * size_of::<u32>();
            self.answer(gpa, at, Some(status as u32));
        }
        self.answer(gpa, DONE, Some(done));
        Some(())
    }

    /// Writes an answer into the page, which has been read and so is memory.
    fn answer<T: vm_memory::ByteValued>(&self, page: GuestAddress, at: usize, value: Option<T>) {
        let gpa = page.0 + at as u64;
        if let Some(value) = value
            && let Err(error) = self.memory.write_obj(value, GuestAddress(gpa))
        {
            log::error!("hypercall page: {error}");
        }
    }

    /// The value of a request that has one.
    fn execute(&mut self, request: &Request) -> Result<Option<u64>, Status> {
        match request.operation.ok_or(Status::Unknown)? {
            Operation::Nop => Ok(None),
            Operation::Time => now_ns().map(Some),
            Operation::Random => self.fill(request).map(|()| None),
            Operation::Write => self.write(request).map(|()| None),
        }
    }

    fn check(&self, request: &Request) -> Result<usize, Status> {
        let len = request.len as usize;
        let is_memory = self.memory.check_range(request.address, len);
        is_memory.then_some(len).ok_or(Status::BadAddress)
    }

    fn fill(&self, request: &Request) -> Result<(), Status> {
        let len = self.check(request)?;
        self.memory
            .read_exact_volatile_from(request.address, &mut &self.random, len)
            .map_err(|_| Status::Failed)
    }

    fn write(&mut self, request: &Request) -> Result<(), Status> {
        let len = self.check(request)?;
        let mut piece = [0; PIECE];
        for at in (0..len).step_by(PIECE) {
            let bytes = &mut piece[..PIECE.min(len - at)];
            // Checked: inside of memory.
            let gpa = GuestAddress(request.address.0 + at as u64);
            let read = self.memory.read_slice(bytes, gpa);
            read.map_err(|_| Status::BadAddress)?;
            let written = self.output.write_all(bytes);
            written.map_err(|_| Status::Failed)?;
        }
        Ok(())
    }
}

fn now_ns() -> Result<u64, Status> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ns = now.ok().and_then(|now| u64::try_from(now.as_nanos()).ok());
    ns.ok_or(Status::Failed)
}

impl PioDevice for HypercallPage {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        match (offset, width) {
            (0, Width::Dword) => VERSION,
            _ => u32::MAX,
        }
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        let gpa = GuestAddress(u64::from(value) * PAGE_BYTES as u64);
        let served = match (offset, width) {
            (0, Width::Dword) => self.serve(gpa),
            _ => None,
        };
        self.refused += u64::from(served.is_none());
    }
}

impl Working for HypercallPage {
    fn refused(&self) -> u64 {
        self.refused
    }

    fn finish(&mut self) {
        // A console that cannot be written to any more is nobody's fault here.
        let _ = self.output.flush();
    }
}

#[cfg(test)]
mod tests;
