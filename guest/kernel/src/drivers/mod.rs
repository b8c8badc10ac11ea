//! Minimal stand-in: a polling UART.
use crate::arch::port::{inb, outb};
use crate::cmdline::Cmdline;
use crate::mm::PhysAddr;
use abi::syscall::{Errno, IoMode};
/// A piece of memory.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Where.
    pub phys: PhysAddr,
    /// Bytes.
    pub len: u32,
}
/// Blocks.
pub trait BlockDevice: Sync {
    /// Length.
    fn sectors(&self) -> u64;
    /// Read.
    fn read(&self, sector: u64, to: &[Segment], mode: IoMode) -> Result<(), Errno>;
    /// Write.
    fn write(&self, sector: u64, from: &[Segment], mode: IoMode) -> Result<(), Errno>;
    /// Flush.
    fn flush(&self, mode: IoMode) -> Result<(), Errno>;
}
/// Characters.
pub trait CharDevice: Sync {
    /// Write.
    fn write(&self, from: &[Segment], mode: IoMode) -> Result<usize, Errno>;
    /// Read.
    fn read(&self, to: &[Segment], mode: IoMode) -> Result<usize, Errno>;
    /// Write.
    fn write_now(&self, bytes: &[u8]);
}
/// Counts.
#[derive(Default)]
pub struct Counters {
    /// Requests.
    pub block_requests: u64,
    /// Doorbells.
    pub notifications: u64,
}
struct Uart;
impl CharDevice for Uart {
    fn write(&self, from: &[Segment], _: IoMode) -> Result<usize, Errno> {
        let mut n = 0;
        for s in from {
            let bytes =
                crate::mm::addr::loader_bytes(s.phys.0, u64::from(s.len)).unwrap_or_default();
            self.write_now(bytes);
            n += bytes.len();
        }
        Ok(n)
    }
    fn read(&self, _: &[Segment], _: IoMode) -> Result<usize, Errno> {
        Ok(0)
    }
    fn write_now(&self, bytes: &[u8]) {
        for b in bytes {
            while inb(0x3fd) & 0x20 == 0 {}
            outb(0x3f8, *b);
        }
    }
}
/// Start.
pub fn init(_: &Cmdline) {}
/// Console.
pub fn console() -> &'static dyn CharDevice {
    &Uart
}
/// By name.
pub fn char_device(name: &str) -> Option<&'static dyn CharDevice> {
    (name == "console" || name == "ttyS0").then(console)
}
/// By number.
pub fn block_device(_: usize) -> Option<&'static dyn BlockDevice> {
    None
}
/// Counts.
pub fn counters() -> Counters {
    Counters::default()
}
