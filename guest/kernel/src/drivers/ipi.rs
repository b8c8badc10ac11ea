//! Interrupts between processors, to be measured: `ipi-apic`, by the local APIC, and `ipi-kvm`, by
//! a call of KVM's where the host has said that it takes them.
//!
//! A read interrupts all other processors, or the one that there is, and gives two numbers: the
//! time-stamp counter before, and in the first instruction of the last handler.

use super::pinned::fill;
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
    fn read(&self, to: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        let round = ipi::round(self.sender, machine::get().cpu_mask()).ok_or(Errno::Io)?;
        let numbers = [round.sent, round.handled].map(u64::to_le_bytes);
        Ok(fill(to, numbers.as_flattened()))
    }
}
