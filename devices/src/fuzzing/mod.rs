//! Bodies of the fuzz targets (`devices/fuzz`): each takes any bytes for what a guest does and
//! must come back, without a panic. The tests run them on the seeds and on pseudo-random input.
//!
//! Input is a list of actions: a byte that says which, and as many as the action takes. Where it
//! ends, zeroes follow.

mod alarm;
mod e1000;
mod hypercall;
mod ide;
mod ne2000;
mod net_header;
mod pci_config;
mod pio;
pub mod smoke;
#[cfg(test)]
mod tests;
mod virtio;
mod virtio_pci;
mod vsock;

pub use alarm::alarm;
pub use e1000::e1000;
pub use hypercall::hypercall;
pub use ide::ide;
pub use ne2000::ne2000;
pub use net_header::net_header;
pub use pci_config::pci_config;
pub use pio::pio;
pub use virtio::{virtio_balloon, virtio_blk, virtio_console, virtio_net, virtio_rng};
pub use virtio_pci::virtio_pci;
pub use vsock::virtio_vsock;

/// Takes the bytes of one input.
pub type Target = fn(&[u8]);

/// The targets by the name of their file and of their folder of seeds.
pub const TARGETS: [(&str, Target); 15] = [
    ("alarm", alarm),
    ("e1000", e1000),
    ("hypercall", hypercall),
    ("ide", ide),
    ("ne2000", ne2000),
    ("net_header", net_header),
    ("pci_config", pci_config),
    ("pio", pio),
    ("virtio_balloon", virtio_balloon),
    ("virtio_blk", virtio_blk),
    ("virtio_console", virtio_console),
    ("virtio_net", virtio_net),
    ("virtio_pci", virtio_pci),
    ("virtio_rng", virtio_rng),
    ("virtio_vsock", virtio_vsock),
];

/// What is left of the input.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_at(self.0.len().min(N));
        self.0 = rest;
        let mut bytes = [0; N];
        bytes[..taken.len()].copy_from_slice(taken);
        bytes
    }

    fn byte(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    fn dword(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }
}
