//! Bodies of the fuzz targets (`vmm/fuzz`): each takes any bytes for a file or for what a guest
//! writes, must come back without a panic, and checks what it got. The tests run them on the
//! seeds and on pseudo-random input.

mod boot;
#[cfg(test)]
mod tests;

pub use boot::{bzimage, kernel, multiboot};

use crate::boot::{Free, Loaded, Protocol, layout};
use crate::memory::{self, GuestMemory};
use crate::stream::{Listener, Received, Splitter};
use crate::symbols::Symbols;
use abi::record::Parsed;
use devices::fuzzing::Target;

/// The targets by the name of their file and of their folder of seeds.
pub const TARGETS: [(&str, Target); 6] = [
    ("kernel", kernel),
    ("multiboot", multiboot),
    ("bzimage", bzimage),
    ("initrd", initrd),
    ("stream", stream),
    ("symbols", symbols),
];

fn smallest_memory() -> GuestMemory {
    memory::create(memory::MIN).expect("the host has that much memory")
}

/// Loads an initrd whose size and kernel's end are the first 16 bytes of the input, above it or
/// as a module behind it: where it goes is above the kernel and inside of memory.
pub fn initrd(data: &[u8]) {
    let word = |at: usize| {
        let bytes = data.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u64::from_le_bytes)
    };
    let (size, kernel_end) = (word(0), word(8));
    let contents = data.get(16..).unwrap_or_default();
    let memory = smallest_memory();
    for protocol in [Protocol::Pvh, Protocol::Multiboot1(Default::default())] {
        let kernel = Loaded {
            entry: kernel_end,
            span: layout::HIGH_MEMORY..kernel_end,
            protocol,
        };
        let mut free = Free::beside(&memory, &kernel);
        if let Ok(range) = free.load(&memory, "initrd", &mut &*contents, size) {
            assert!(range.start >= kernel_end && range.start.is_multiple_of(4096));
            assert!(range.end <= memory::MIN.0 && range.end - range.start == size);
        }
    }
}

/// Everything that is heard of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    text: Vec<u8>,
    records: Vec<Parsed>,
    streams: Vec<(String, Received)>,
}

impl Listener for &mut Heard {
    fn text(&mut self, bytes: &[u8]) {
        self.text.extend(bytes);
    }

    fn record(&mut self, record: Parsed) {
        self.records.push(record);
    }

    fn stream(&mut self, id: &str, received: Received) {
        self.streams.push((id.to_owned(), received));
    }
}

fn hear(stream: &[u8], piece_bytes: usize) -> Heard {
    let mut heard = Heard::default();
    let mut splitter = Splitter::new(&mut heard);
    stream
        .chunks(piece_bytes)
        .for_each(|piece| splitter.feed(piece));
    splitter.finish();
    drop(splitter);
    heard
}

/// Splits the input, in pieces as long as its first byte says and in one: the same is heard.
pub fn stream(data: &[u8]) {
    let Some((piece_bytes, stream)) = data.split_first() else {
        return;
    };
    let in_pieces = hear(stream, usize::from(*piece_bytes).max(1));
    assert_eq!(in_pieces, hear(stream, stream.len().max(1)));
}

/// Names addresses by the symbol table of the input.
pub fn symbols(data: &[u8]) {
    let symbols = Symbols::of(data);
    for address in [0, 0x10_0000, 1 << 63, u64::MAX] {
        // Any name will do, or none.
        let _ = symbols.name(address);
    }
}
