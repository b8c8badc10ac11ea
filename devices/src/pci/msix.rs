//! [`Msix`]: a function's table of message-signalled interrupts (PCI 3.0 6.8.2).
//!
//! A vector that is triggered while it is masked is pending, and is sent when it is unmasked. Where
//! a message goes is told to the [`MsiSink`] when a vector is first able to send it. A message is a
//! write to the local APICs' addresses: any other, which on a PC would write to memory or nowhere,
//! goes nowhere.

use super::config::ConfigSpace;
use crate::bus::Width;
use std::io;

/// Capability id.
const CAPABILITY: u8 = 0x11;
/// Message control: all vectors masked, MSI-X enabled.
const FUNCTION_MASK: u16 = 1 << 14;
const ENABLE: u16 = 1 << 15;
/// Bytes of a table entry.
pub const ENTRY_BYTES: u64 = 16;
/// Vector control: masked.
const MASKED: u32 = 1;

/// Addresses that are the local APICs' (Intel SDM 3A 11.11.1).
const APIC_MASK: u64 = !0xf_ffff;
const APIC_BASE: u64 = 0xfee0_0000;

/// What a vector sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MsiMessage {
    /// Address written to.
    pub address: u64,
    /// What is written.
    pub data: u32,
}

impl MsiMessage {
    fn interrupts(self) -> bool {
        self.address & APIC_MASK == APIC_BASE
    }
}

/// Delivers the messages of one function.
pub trait MsiSink: Send {
    /// From now on `vector` sends that message.
    fn route(&mut self, vector: u16, message: MsiMessage) -> io::Result<()>;
    /// Sends the message of `vector`, which has been routed.
    fn trigger(&self, vector: u16) -> io::Result<()>;
}

/// A vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    /// As the guest has set it.
    pub message: MsiMessage,
    /// Whether it waits.
    pub masked: bool,
    /// Whether it was triggered meanwhile.
    pub pending: bool,
}

impl Vector {
    const RESET: Self = Self {
        message: MsiMessage {
            address: 0,
            data: 0,
        },
        masked: true,
        pending: false,
    };
}

/// Table and control, to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsixState {
    /// Message control's writable bits.
    pub control: u16,
    /// The vectors in their order.
    pub vectors: Vec<Vector>,
}

/// The table.
pub struct Msix {
    sink: Box<dyn MsiSink>,
    /// What the sink was told last.
    routed: Vec<Option<MsiMessage>>,
    control: u16,
    vectors: Vec<Vector>,
}

impl Msix {
    /// A table of `count` vectors, at most 256, all masked, and disabled.
    pub fn new(count: u16, sink: Box<dyn MsiSink>) -> Self {
        let count = usize::from(count);
        Self {
            sink,
            routed: vec![None; count],
            control: 0,
            vectors: vec![Vector::RESET; count],
        }
    }

    /// Adds the capability for a table at `table` and pending bits at `pending`, both in `bar`.
    /// Returns the offset of its message control.
    pub fn add_capability(
        &self,
        config: &mut ConfigSpace,
        bar: u32,
        table: u32,
        pending: u32,
    ) -> u16 {
        let last = self.vectors.len() as u16 - 1;
        let body = [
            &last.to_le_bytes()[..],
            &(table | bar).to_le_bytes(),
            &(pending | bar).to_le_bytes(),
        ]
        .concat();
        let writable = (FUNCTION_MASK | ENABLE).to_le_bytes();
        config.add_capability(CAPABILITY, &body, &writable) + 2
    }

    /// Whether the function interrupts by this table instead of INTx.
    pub fn is_enabled(&self) -> bool {
        self.control & ENABLE != 0
    }

    /// The guest has written message control.
    pub fn set_control(&mut self, control: u16) {
        self.control = control & (FUNCTION_MASK | ENABLE);
        (0..self.vectors.len()).for_each(|vector| self.settle(vector));
    }

    /// Number of vectors.
    pub fn count(&self) -> u16 {
        self.vectors.len() as u16
    }

    /// A read of the table. Accesses are of 4 or 8 bytes, which the bus makes of 4.
    pub fn read_table(&self, offset: u64, width: Width) -> u32 {
        let vector = self.vectors.get((offset / ENTRY_BYTES) as usize);
        let Some(vector) = vector.filter(|_| width == Width::Dword) else {
            return 0;
        };
        match offset % ENTRY_BYTES {
            0 => vector.message.address as u32,
            4 => (vector.message.address >> 32) as u32,
            8 => vector.message.data,
            _ => u32::from(vector.masked),
        }
    }

    /// A write to the table.
    pub fn write_table(&mut self, offset: u64, width: Width, value: u32) {
        let index = (offset / ENTRY_BYTES) as usize;
        let vector = self.vectors.get_mut(index);
        let Some(vector) = vector.filter(|_| width == Width::Dword) else {
            return;
        };
        let address = &mut vector.message.address;
        match offset % ENTRY_BYTES {
            0 => *address = *address >> 32 << 32 | u64::from(value & !3),
            4 => *address = *address & u64::from(u32::MAX) | u64::from(value) << 32,
            8 => vector.message.data = value,
            _ => vector.masked = value & MASKED != 0,
        }
        self.settle(index);
    }

    /// A read of the pending bits.
    pub fn read_pending(&self, offset: u64, width: Width) -> u32 {
        let first = (offset * 8) as usize;
        let bits = self.vectors.iter().skip(first).take(8 * width.bytes());
        bits.zip(0..).fold(0, |all, (vector, bit)| {
            all | u32::from(vector.pending) << bit
        })
    }

    /// Sends the message of `vector`, or keeps it pending; nothing for a vector that is not there.
    pub fn trigger(&mut self, vector: u16) -> io::Result<()> {
        let index = usize::from(vector);
        let Some(entry) = self.vectors.get_mut(index) else {
            return Ok(());
        };
        if self.control != ENABLE || entry.masked {
            entry.pending = true;
            return Ok(());
        }
        match self.routed[index] {
            Some(_) => self.sink.trigger(vector),
            None => Ok(()),
        }
    }

    /// Tells the sink what a vector sends, and sends what is pending, once it is unmasked.
    fn settle(&mut self, index: usize) {
        let vector = &mut self.vectors[index];
        if self.control != ENABLE || vector.masked {
            return;
        }
        let (message, number) = (vector.message, index as u16);
        if !message.interrupts() {
            self.routed[index] = None;
        } else if self.routed[index] != Some(message) {
            let told = self.sink.route(number, message);
            self.routed[index] = told.is_ok().then_some(message);
            log_failure(told);
        }
        if std::mem::take(&mut self.vectors[index].pending) {
            log_failure(self.trigger(number));
        }
    }

    /// Table and control.
    pub fn save(&self) -> MsixState {
        MsixState {
            control: self.control,
            vectors: self.vectors.clone(),
        }
    }

    /// Takes over a saved table; false when it has another number of vectors.
    pub fn restore(&mut self, state: &MsixState) -> bool {
        let fits = state.vectors.len() == self.vectors.len();
        if fits {
            self.vectors.clone_from(&state.vectors);
            self.set_control(state.control);
        }
        fits
    }
}

fn log_failure(done: io::Result<()>) {
    if let Err(error) = done {
        log::debug!("message-signalled interrupt: {error}");
    }
}
