//! [`Platform`]: what ACPI and the MP table tell the guest of its devices.

use super::layout;
use devices::bus::BusRange;

/// What there is to be described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// Number of vCPUs.
    pub cpus: u8,
    /// Serial ports: (first port, interrupt).
    pub serial_ports: Vec<(u16, u8)>,
    /// Whether somebody types on the keyboard.
    pub keyboard: Keyboard,
    /// Devices on PCI's bus 0, the bridge among them; 0 when there is no PCI.
    pub pci_devices: u8,
    /// Ports outside of PCI's window that its functions answer all the same.
    pub pci_ports: Vec<BusRange>,
    /// virtio-mmio devices: (address, interrupt).
    pub virtio_mmio: Vec<(u32, u32)>,
}

/// Whether the guest is told of a keyboard. Its controller is there in any case; guests that are
/// told nothing save the time to look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keyboard {
    /// It is the console's.
    Present,
    /// Nobody types on it.
    #[default]
    Absent,
}

impl Platform {
    /// Interrupts that PCI uses: INTA# of each device in turn.
    pub fn pci_gsis(&self) -> &'static [u8] {
        match self.pci_devices {
            0 => &[],
            _ => &layout::PCI_GSIS,
        }
    }

    /// INTA# of PCI device `device`.
    pub fn pci_gsi(device: u8) -> u8 {
        layout::PCI_GSIS[usize::from(device) % layout::PCI_GSIS.len()]
    }
}
