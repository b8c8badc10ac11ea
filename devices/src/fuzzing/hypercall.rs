//! The hypercall page: any memory, any requests, any page numbers.

use super::Input;
use crate::bus::{PioDevice, Width};
use crate::hypercall::HypercallPage;
use abi::hypercall::{MOST_REQUESTS, PAGE_BYTES, REQUEST_BYTES, REQUESTS};
use std::io;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Few pages, so that addresses often find them.
const MEMORY_BYTES: u64 = 16 * PAGE_BYTES as u64;

/// Writes to memory and to the doorbell, in the order of the input.
pub fn hypercall(data: &[u8]) {
    let ranges = [(GuestAddress(0), MEMORY_BYTES as usize)];
    let memory = GuestMemoryMmap::from_ranges(&ranges).expect("64 KiB of memory");
    let Ok(mut device) = HypercallPage::new(memory.clone(), Box::new(io::sink())) else {
        return;
    };
    let mut input = Input(data);
    while !input.is_empty() {
        match input.byte() >> 5 {
            // A page with so many requests.
            0 | 1 => {
                let page = u64::from(input.byte() % 16) * PAGE_BYTES as u64;
                let count = u32::from(input.byte());
                let _ = memory.write_obj(count, GuestAddress(page));
                device.pio_write(0, Width::Dword, (page / PAGE_BYTES as u64) as u32);
            }
            // A request.
            2..=4 => {
                let page = u64::from(input.byte() % 16) * PAGE_BYTES as u64;
                let request = u32::from(input.byte()) % MOST_REQUESTS;
                let at = REQUESTS as u64 + u64::from(request) * REQUEST_BYTES as u64;
                let operation = u32::from(input.byte());
                let _ = memory.write_obj(operation, GuestAddress(page + at));
                // Length and address.
                let rest = input.bytes::<12>();
                let _ = memory.write_slice(&rest, GuestAddress(page + at + 4));
            }
            5 => {
                let width = [Width::Byte, Width::Word, Width::Dword][usize::from(input.byte() % 3)];
                let offset = u16::from(input.byte() % 4);
                device.pio_write(offset, width, input.dword());
                device.pio_read(offset, width);
            }
            // Anything anywhere.
            _ => {
                let gpa = GuestAddress(input.word().into());
                let _ = memory.write_slice(&input.bytes::<8>(), gpa);
            }
        }
    }
}
