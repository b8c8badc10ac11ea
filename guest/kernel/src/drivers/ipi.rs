//! Interrupts between processors, to be measured: `ipi-apic`, by the local APIC, and `ipi-kvm`, by
//! a call of KVM's where the host has said that it takes them.
//!
//! A read interrupts all other processors, or the one that there is, and gives two numbers: the
//! time-stamp counter before, and in the first instruction of the last handler.

use super::{CharDevice, Segment};
use crate::arch::ipi::{self, Sender};
use crate::machine;
use abi::syscall::{Errno, IoMode};

struct Ipi {
    name: &'static str,
    sender: Sender,
}

static IPIS: [Ipi; 2] = [
    Ipi {
        name: "ipi-apic",
        sender: Sender::Apic,
    },
    Ipi {
        name: "ipi-kvm",
        sender: Sender::Kvm,
    },
];

/// The device of that name, if the machine has it.
pub(super) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let ipi = IPIS.iter().find(|ipi| ipi.name == name)?;
    ipi::is_there(ipi.sender).then_some(ipi as &dyn CharDevice)
}

impl CharDevice for Ipi {
    fn write(&self, _from: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        Err(Errno::BadF)
    }

    fn read(&self, to: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        let Some(segment) = to.first() else {
            return Ok(0);
        };
        let round = ipi::round(self.sender, machine::get().cpu_mask()).ok_or(Errno::Io)?;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&round.sent.to_le_bytes());
        bytes[8..].copy_from_slice(&round.handled.to_le_bytes());
        Ok(segment.fill(0, &bytes))
    }

    fn write_now(&self, _bytes: &[u8]) {}
}
