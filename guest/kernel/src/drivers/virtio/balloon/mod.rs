//! virtio-balloon (virtio 1.3 5.5): free memory for the host, one page a request, many, or reported
//! as free. [`abi::balloon`] says what a program reads and writes.

mod blocks;

use super::chain::{Direction, Request};
use super::device::{Channel, Device};
use super::layout::FEW_SLOTS;
use super::{DeviceType, find};
use crate::drivers::lazy::Lazy;
use crate::drivers::{CharDevice, Segment};
use crate::mm::DmaBuffer;
use crate::sync::Mutex;
use abi::balloon::{BY_BATCH, BY_PAGE, BY_REPORT, WORD_BYTES};
use abi::syscall::{Errno, IoMode};
use blocks::Blocks;
use core::ops::Range;

/// `VIRTIO_BALLOON_F_DEFLATE_ON_OOM`: pages may be taken again though the host wants them;
/// `VIRTIO_BALLOON_F_PAGE_REPORTING` (virtio 1.3 5.5.3).
const FEATURE_DEFLATE: u64 = 1 << 2;
const FEATURE_REPORTING: u64 = 1 << 5;
/// Inflate, deflate, and reporting, which is third as there are no statistics (5.5.2).
const QUEUES: usize = 3;
/// In the device configuration (5.5.4): pages that the host wants, pages that it has.
const CONFIG_TARGET: u64 = 0;
const CONFIG_ACTUAL: u64 = 4;
/// Bytes of a page's number in a request (5.5.6).
const NUMBER_BYTES: u64 = 4;
/// Pages of a request with many.
const BATCH: u32 = 256;

static BALLOON: Lazy<Option<Balloon>> = Lazy::new();

/// A way to give memory.
struct Way {
    name: &'static str,
    manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Into the balloon, at most so many pages a request.
    Inflate {
        most: u32,
    },
    Report,
}

static WAYS: [Way; 3] = [
    Way {
        name: BY_PAGE,
        manner: Manner::Inflate { most: 1 },
    },
    Way {
        name: BY_BATCH,
        manner: Manner::Inflate { most: BATCH },
    },
    Way {
        name: BY_REPORT,
        manner: Manner::Report,
    },
];

/// The file of that name, if there is a balloon, which is started at its first use.
pub(in crate::drivers) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let way = WAYS.iter().find(|way| way.name == name)?;
    balloon().map(|_| way as &dyn CharDevice)
}

fn balloon() -> Option<&'static Balloon> {
    BALLOON.get_or_make(|| Balloon::start().ok()).as_ref()
}

struct Balloon {
    device: &'static Device,
    inflate: &'static Channel,
    deflate: &'static Channel,
    reporting: &'static Channel,
    memory: Mutex<Memory>,
}

/// What the host is given.
struct Memory {
    blocks: Blocks,
    /// How it was given, as long as the host has it.
    given: Option<Manner>,
    /// Numbers of pages for a request.
    list: DmaBuffer,
}

impl Balloon {
    fn start() -> Result<Self, Errno> {
        let handle = find(DeviceType::Balloon, 0).ok_or(Errno::NoEnt)?;
        let device = handle.start::<QUEUES>(FEATURE_DEFLATE | FEATURE_REPORTING, FEW_SLOTS)?;
        let [inflate, deflate, reporting] = &device.channels[..] else {
            return Err(Errno::Io);
        };
        let list = DmaBuffer::new(u64::from(BATCH) * NUMBER_BYTES).ok_or(Errno::NoMem)?;
        let memory = Mutex::new(Memory {
            blocks: Blocks::none(),
            given: None,
            list,
        });
        Ok(Self {
            device,
            inflate,
            deflate,
            reporting,
            memory,
        })
    }

    /// Gives so many pages to the host.
    fn give(&self, pages: u64, manner: Manner, mode: IoMode) -> Result<(), Errno> {
        let mut memory = self.memory.lock();
        if let Some(given) = memory.given {
            // By a program that has ended since.
            self.take_back(&mut memory, given, mode)?;
        }
        let transport = &self.device.transport;
        let target = transport.config_u32(CONFIG_TARGET).ok_or(Errno::Io)?;
        let pages = u32::try_from(pages).map_err(|_| Errno::NoSpc)?;
        if pages > target {
            return Err(Errno::NoSpc);
        }
        if memory.blocks.frames() != pages {
            memory.blocks = Blocks::none();
            memory.blocks = Blocks::of(pages).ok_or(Errno::NoMem)?;
        }
        if pages == 0 {
            return Ok(());
        }
        // Also when a request fails: who knows what the host has then?
        memory.given = Some(manner);
        match manner {
            Manner::Inflate { most } => {
                self.transfer(self.inflate, &memory, most, mode)?;
                transport.set_config_u32(CONFIG_ACTUAL, pages);
                Ok(())
            }
            Manner::Report => self.report(&memory.blocks, mode),
        }
    }

    /// Takes what the host has again, and writes to all of it; how many pages were zero.
    fn take(&self, mode: IoMode) -> Result<u64, Errno> {
        let mut memory = self.memory.lock();
        let given = memory.given.ok_or(Errno::Again)?;
        self.take_back(&mut memory, given, mode)?;
        Ok(memory.blocks.touch())
    }

    fn take_back(&self, memory: &mut Memory, given: Manner, mode: IoMode) -> Result<(), Errno> {
        if let Manner::Inflate { most } = given {
            self.transfer(self.deflate, memory, most, mode)?;
            self.device.transport.set_config_u32(CONFIG_ACTUAL, 0);
        }
        memory.given = None;
        Ok(())
    }

    /// Lists the pages in a queue, at most so many a request.
    fn transfer(
        &self,
        channel: &Channel,
        memory: &Memory,
        most: u32,
        mode: IoMode,
    ) -> Result<(), Errno> {
        for pages in memory.blocks.batches(most) {
            let len = write_numbers(&memory.list, pages);
            let phys = memory.list.phys();
            self.request(channel, &[Segment { phys, len }], Direction::ToDevice, mode)?;
        }
        Ok(())
    }

    /// Reports the blocks as free; they are not used until the device has answered.
    fn report(&self, blocks: &Blocks, mode: IoMode) -> Result<(), Errno> {
        let most = self.reporting.queue.lock().max_segments();
        for segments in blocks.segments().chunks(most) {
            self.request(self.reporting, segments, Direction::FromDevice, mode)?;
        }
        Ok(())
    }

    fn request(
        &self,
        channel: &Channel,
        segments: &[Segment],
        direction: Direction,
        mode: IoMode,
    ) -> Result<(), Errno> {
        let request = Request {
            header: None,
            segments,
            direction,
            mode,
        };
        self.device.request(channel, &request).map(drop)
    }
}

/// Writes page numbers, at most [`BATCH`]; how many bytes.
fn write_numbers(list: &DmaBuffer, pages: Range<u32>) -> u32 {
    let (mut at, mut page) = (0, pages.start);
    // Two at a time: there are as few writes as can be.
    while page + 1 < pages.end {
        list.write64(at, u64::from(page) | u64::from(page + 1) << 32);
        at += 2 * NUMBER_BYTES;
        page += 2;
    }
    if page < pages.end {
        list.write32(at, page);
        at += NUMBER_BYTES;
    }
    at as u32
}

impl CharDevice for Way {
    fn write(&self, from: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        let mut word = [0; WORD_BYTES];
        // A word across two pages is refused, too.
        if !matches!(from, [one] if one.len() == WORD_BYTES && one.fetch(0, &mut word) == WORD_BYTES)
        {
            return Err(Errno::Inval);
        }
        let balloon = balloon().ok_or(Errno::Io)?;
        balloon.give(u64::from_le_bytes(word), self.manner, mode)?;
        Ok(WORD_BYTES)
    }

    fn read(&self, to: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        let room = to.first().filter(|first| first.len() >= WORD_BYTES);
        let room = room.ok_or(Errno::Inval)?;
        let zeroes = balloon().ok_or(Errno::Io)?.take(mode)?;
        Ok(room.fill(0, &zeroes.to_le_bytes()))
    }
}
