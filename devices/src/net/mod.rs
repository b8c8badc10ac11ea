//! Networks on the host's side, and what all network cards need to use them.
//!
//! ```text
//!  virtio-net ---- Port, of pieces of guest memory --+                      +--- tap
//!                                                    +--- Backend, ports ---+
//!  emulated cards ---- FramePort, of whole frames ---+                      +--- stream
//! ```
//!
//! - [`backend`] says what a network does, [`tap`] and [`stream`] do it.
//! - [`frame_port`] is a network as an emulated card uses it; `gate` waits for either.
//! - [`mac`] is what a card is called on it.

pub mod backend;
pub mod frame_port;
pub(crate) mod gate;
pub mod mac;
pub mod stream;
pub mod tap;
mod vectored;

/// Bytes of an Ethernet header: no frame is shorter.
pub const MIN_FRAME_BYTES: usize = 14;
/// Longest frame, unsegmented: Ethernet header, VLAN tag and the longest IP packet.
pub const MAX_FRAME_BYTES: usize = 65_535 + 14 + 4;
