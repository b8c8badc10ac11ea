//! [`TestDevice`] and [`TestMemory`]: QEMU's pc-testdev, which test kernels use.
//!
//! | ports, address | what |
//! |---|---|
//! | 0xe0 to 0xe3 | a latch of 4 bytes, to be read and written at any width |
//! | 0xe4 | a dword written is a guest-physical address, whose page is made absent |
//! | 0x2000 to 0x2017 | a byte written raises (not 0) or lowers (0) that interrupt line |
//! | 0xff000000, 64 KiB | memory of a device: each access exits |
//!
//! An absent page is one that the processor has no translation for: the next access faults in the
//! host, which finds the contents where they were. The guest sees none of that but the time.

use crate::bus::{BusRange, MmioDevice, PioDevice, Width};
use crate::irq::LevelInput;

/// Latch and page port; interrupt lines.
pub const RANGES: [BusRange; 2] = [
    BusRange { base: 0xe0, len: 8 },
    BusRange {
        base: 0x2000,
        len: LINES as u64,
    },
];
/// Interrupt lines: those of the IOAPIC.
pub const LINES: usize = 24;

const PAGE_OFFSET: u16 = 4;
const LINES_OFFSET: u16 = 0x2000 - 0xe0;

/// Where [`TestMemory`] is.
pub const MEMORY: BusRange = BusRange {
    base: 0xff00_0000,
    len: 64 << 10,
};

/// Takes pages out of the processor's reach.
pub trait AbsentPages: Send {
    /// Drops the translation of the page at `gpa`, if it is memory.
    fn make_absent(&self, gpa: u64);
}

/// The latch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestDeviceState {
    /// Bytes as written.
    pub latch: [u8; 4],
}

/// The ports.
pub struct TestDevice {
    pages: Box<dyn AbsentPages>,
    lines: [Box<dyn LevelInput>; LINES],
    state: TestDeviceState,
}

impl TestDevice {
    /// Ports that act on these.
    pub fn new(pages: Box<dyn AbsentPages>, lines: [Box<dyn LevelInput>; LINES]) -> Self {
        Self {
            pages,
            lines,
            state: TestDeviceState::default(),
        }
    }

    /// The latch.
    pub fn save(&self) -> TestDeviceState {
        self.state.clone()
    }

    /// Takes over a saved latch.
    pub fn restore(&mut self, state: &TestDeviceState) {
        self.state = state.clone();
    }
}

impl PioDevice for TestDevice {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        if offset >= PAGE_OFFSET {
            return 0;
        }
        let bytes = self.state.latch.iter().skip(offset.into());
        bytes
            .take(width.bytes())
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        match offset {
            PAGE_OFFSET if width == Width::Dword => self.pages.make_absent(value.into()),
            0..PAGE_OFFSET => {
                let bytes = value.to_le_bytes().into_iter().take(width.bytes());
                let latch = self.state.latch.iter_mut().skip(offset.into());
                latch.zip(bytes).for_each(|(old, new)| *old = new);
            }
            _ => {
                let line = offset.checked_sub(LINES_OFFSET);
                if let Some(line) = line.and_then(|line| self.lines.get(usize::from(line))) {
                    line.set(value != 0);
                }
            }
        }
    }
}

/// Memory behind exits, for kernels that test how those instructions are emulated. It is part of
/// no snapshot: its contents are the tests' own.
pub struct TestMemory {
    bytes: Box<[u8]>,
}

impl Default for TestMemory {
    fn default() -> Self {
        Self {
            bytes: vec![0; MEMORY.len as usize].into(),
        }
    }
}

impl MmioDevice for TestMemory {
    fn max_width(&self) -> Width {
        Width::Qword
    }

    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.bytes.iter().skip(at).take(width.bytes());
        bytes
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = value.to_le_bytes().into_iter().take(width.bytes());
        let memory = self.bytes.iter_mut().skip(at);
        memory.zip(bytes).for_each(|(old, new)| *old = new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{DeviceId, MmioBus, PioBus};
    use std::sync::{Arc, Mutex, mpsc};

    #[derive(Debug, PartialEq, Eq)]
    enum Did {
        Absent(u64),
        Line(usize, bool),
    }

    struct Pages(mpsc::Sender<Did>);

    impl AbsentPages for Pages {
        fn make_absent(&self, gpa: u64) {
            self.0.send(Did::Absent(gpa)).unwrap();
        }
    }

    struct Line(usize, mpsc::Sender<Did>);

    impl LevelInput for Line {
        fn set(&self, high: bool) {
            self.1.send(Did::Line(self.0, high)).unwrap();
        }
    }

    fn device() -> (PioBus, mpsc::Receiver<Did>) {
        let (send, did) = mpsc::channel();
        let line = |at| -> Box<dyn LevelInput> { Box::new(Line(at, send.clone())) };
        let device = TestDevice::new(Box::new(Pages(send.clone())), std::array::from_fn(line));
        let mut bus = PioBus::default();
        let device = Arc::new(Mutex::new(device));
        bus.insert_ranges(&RANGES, DeviceId(1), "testdev", device)
            .unwrap();
        (bus, did)
    }

    #[test]
    fn the_latch_takes_all_widths_everywhere() {
        let (bus, _) = device();
        let mut all = [0; 4];
        bus.write(0xe0, &[1, 2, 3, 4]);
        bus.write(0xe2, &[5, 6]);
        bus.write(0xe1, &[7]);
        bus.read(0xe0, &mut all);
        assert_eq!(all, [1, 7, 5, 6]);
        let mut word = [0; 2];
        bus.read(0xe1, &mut word);
        assert_eq!(word, [7, 5]);
    }

    #[test]
    fn lines_follow_what_is_written() {
        let (bus, did) = device();
        bus.write(0x2005, &[1]);
        bus.write(0x2005, &[0]);
        bus.write(0x2017, &[1]);
        bus.write(0x2018, &[1]);
        let expected = [(5, true), (5, false), (23, true)].map(|(at, high)| Did::Line(at, high));
        assert_eq!(did.try_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_dword_names_the_page_that_goes() {
        let (bus, did) = device();
        bus.write(0xe4, &0x12_3456_u32.to_le_bytes());
        bus.write(0xe4, &[1]);
        assert_eq!(did.try_iter().collect::<Vec<_>>(), [Did::Absent(0x12_3456)]);
    }

    #[test]
    fn the_memory_keeps_what_is_written_at_any_width() {
        let mut bus = MmioBus::default();
        let memory = Arc::new(Mutex::new(TestMemory::default()));
        bus.insert(MEMORY, DeviceId(1), "testdev", memory).unwrap();
        bus.write(0xff00_0ffd, &[1, 2, 3, 4, 5, 6, 7, 8]);
        bus.write(0xff00_ffff, &[9, 9]);
        let mut bytes = [0; 8];
        bus.read(0xff00_0ffc, &mut bytes);
        assert_eq!(bytes, [0, 1, 2, 3, 4, 5, 6, 7]);
        bus.read(0xff00_fff8, &mut bytes);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn state_survives_save_and_restore() {
        let (send, _did) = mpsc::channel();
        let line = |at| -> Box<dyn LevelInput> { Box::new(Line(at, send.clone())) };
        let mut device = TestDevice::new(Box::new(Pages(send.clone())), std::array::from_fn(line));
        device.pio_write(0, Width::Dword, 0x0102_0304);
        let state = device.save();
        device.pio_write(0, Width::Dword, 0);
        device.restore(&state);
        assert_eq!(device.pio_read(0, Width::Dword), 0x0102_0304);
    }
}
