//! A virtio-net driver as steps of a [`Script`] (virtio 1.3 5.1), and the other end of its network.

use crate::host;
use crate::script::{BUFFER, Script};
use crate::virtio::{self, DEVICE_BYTES, DEVICES, Descriptor, Rings, reg};
use anyhow::{Result, ensure};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The first network card of a VM without disks: console and rng come before it.
pub const CARD: u64 = DEVICES + 2 * DEVICE_BYTES;
/// Where the card says whether its link is up.
pub const LINK: u64 = CARD + reg::CONFIG + 6;
/// Bytes of the header before each frame.
pub const HEADER_BYTES: u64 = 12;
/// Where received packets are, this far apart.
pub const RECEIVED: u64 = BUFFER + 0x10_0000;
/// Distance of received packets.
pub const SPACE_BYTES: u64 = 0x800;

const RECEIVE_RINGS: Rings = Rings::at(BUFFER + 0x2_0000);
const TRANSMIT_RINGS: Rings = Rings::at(BUFFER + 0x2_4000);
const SENT: u64 = BUFFER + 0x20_0000;
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts the card, which has space for `spaces` packets and sends `frames`.
pub fn start(script: Script, spaces: u16, frames: &[&[u8]]) -> Script {
    let script = virtio::negotiate(script, CARD);
    let script = virtio::set_queue(script, CARD, 0, 16, RECEIVE_RINGS);
    let script = virtio::set_queue(script, CARD, 1, 16, TRANSMIT_RINGS);
    let space = |index: u16| Descriptor {
        address: RECEIVED + u64::from(index) * SPACE_BYTES,
        len: SPACE_BYTES as u32,
        flags: Descriptor::WRITE,
        next: 0,
    };
    let heads: Vec<u16> = (0..spaces).collect();
    let spaces: Vec<Descriptor> = heads.iter().map(|index| space(*index)).collect();
    let script = RECEIVE_RINGS.fill(script, &spaces, &heads);
    let mut sent = Vec::new();
    let mut script = script;
    for (index, frame) in (0_u64..).zip(frames) {
        let packet = [&[0; HEADER_BYTES as usize], *frame].concat();
        let address = SENT + index * SPACE_BYTES;
        sent.push(Descriptor {
            address,
            len: packet.len() as u32,
            flags: 0,
            next: 0,
        });
        script = script.memory(address, &packet);
    }
    let heads: Vec<u16> = (0..).take(sent.len()).collect();
    let script = TRANSMIT_RINGS.fill(script, &sent, &heads);
    virtio::driver_ok(script, CARD)
        .write(4, CARD + reg::QUEUE_NOTIFY, 0)
        .write(4, CARD + reg::QUEUE_NOTIFY, 1)
}

/// Waits until so many packets have come.
pub fn wait_received(script: Script, packets: u16) -> Script {
    RECEIVE_RINGS.wait(script, packets)
}

/// Waits until so many frames were taken.
pub fn wait_sent(script: Script, frames: u16) -> Script {
    TRANSMIT_RINGS.wait(script, frames)
}

/// A stream network that waits for a VM.
pub struct Network {
    listener: UnixListener,
}

/// The connected end of a stream network.
pub struct Peer(pub UnixStream);

impl Network {
    /// Listens at `path`.
    pub fn listen(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }

    /// Waits for the VM to connect.
    pub fn accept(&self) -> Result<Peer> {
        let patience = host::patience(DEADLINE);
        let deadline = Instant::now() + patience;
        loop {
            if let Ok((socket, _)) = self.listener.accept() {
                socket.set_nonblocking(false)?;
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))?;
                return Ok(Peer(socket));
            }
            ensure!(Instant::now() < deadline, "no VM connects");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Peer {
    /// Sends a frame.
    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        let length = u32::try_from(frame.len())?.to_be_bytes();
        Ok(self.0.write_all(&[&length, frame].concat())?)
    }

    /// Waits for a frame.
    pub fn receive(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame)?;
        Ok(frame)
    }
}
