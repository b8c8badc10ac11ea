//! What the machine is, as found at boot.

use crate::mm::replacement::Known;
use crate::sync::Once;

/// Facts that do not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Processors, up or on their way.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Replacement policy of budgets that name none.
    pub replacement: &'static Known,
}

impl Machine {
    /// The processors, a bit each.
    pub(crate) fn cpu_mask(&self) -> u64 {
        (1 << self.cpus) - 1
    }
}

static MACHINE: Once<Machine> = Once::new();

/// Remembers the facts.
pub(crate) fn set(machine: Machine) {
    MACHINE.set(machine);
}

/// The facts.
pub(crate) fn get() -> &'static Machine {
    MACHINE
        .get()
        .expect("the machine is known before there is a program")
}
