//! virtio-vsock: packets of the guest, and host programs that come, talk and go.

use super::Input;
use super::virtio::drive;
use crate::virtio::testing::{BUFFERS, Guest, Piece};
use crate::virtio::vsock::{Endpoint, Vsock};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use vmm_sys_util::tempdir::TempDir;

const CID: u32 = 3;
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const HEADER_BYTES: usize = 44;
/// Where packets are made and taken; a few of each at a time.
const PACKETS: u64 = BUFFERS + 0x8000;
const SPACES: u64 = BUFFERS + 0x1_0000;
const STRIDE: u64 = 0x400;
/// Port of the host that a program listens on.
const SERVED: u32 = 52;
/// First port of the host's own connections.
const FIRST_HOST_PORT: u32 = 1 << 30;
const MOST_PROGRAMS: usize = 8;

/// The programs of the host.
struct Host {
    path: PathBuf,
    server: UnixListener,
    programs: Vec<UnixStream>,
}

/// virtio-vsock and the transport. Sockets that are closed raise SIGPIPE: the process ignores it.
pub fn virtio_vsock(data: &[u8]) {
    let folder = TempDir::new_with_prefix("/tmp/hostel-fuzz-").expect("a folder");
    let path = folder.as_path().join("vm");
    let endpoint = Endpoint::bind(&path).expect("a fresh folder");
    let served = folder.as_path().join(format!("vm_{SERVED}"));
    let server = UnixListener::bind(served).expect("a fresh folder");
    server.set_nonblocking(true).expect("a socket");
    let mut host = Host {
        path,
        server,
        programs: Vec::new(),
    };
    let device = Box::new(Vsock::new(CID, endpoint));
    drive(device, 3, data, &mut |guest, input| {
        match input.byte() % 4 {
            0 | 1 => packet(guest, input),
            2 => space(guest, input),
            _ => host.act(input),
        };
    });
}

/// A packet of the guest, most of whose fields make sense.
fn packet(guest: &mut Guest, input: &mut Input) {
    let what = input.byte();
    let odd = |bit: u8| u64::from(what >> bit & 1);
    let cids = [u64::from(CID) + (odd(6) & odd(7)), 2 + (odd(5) & odd(7))];
    let host_port = match input.byte() {
        port @ 0..0x40 => FIRST_HOST_PORT + u32::from(port & 3),
        port @ 0x40..0x60 => port.into(),
        _ => SERVED,
    };
    let guest_port = u32::from(input.byte() & 3);
    let data = input.bytes::<64>();
    let len = usize::from(input.byte()) % data.len();
    let claimed = match input.byte() {
        0xff => input.dword(),
        _ => len as u32,
    };
    let kind_and_op = 1 | u32::from(what & 0xf) << 16;
    let room = [u32::from(input.word()), u32::from(input.word())];
    let words = [
        guest_port,
        host_port,
        claimed,
        kind_and_op,
        input.byte().into(),
    ];
    let words = words.into_iter().chain(room).flat_map(u32::to_le_bytes);
    let mut bytes: Vec<u8> = cids.into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.extend(words);
    assert_eq!(bytes.len(), HEADER_BYTES);
    bytes.extend(&data[..len]);
    let at = PACKETS + STRIDE * u64::from(input.byte() & 7);
    guest.poke(at, &bytes);
    guest.offer(TRANSMIT, &[Piece::readable(at, bytes.len() as u32)]);
    guest.notify(TRANSMIT);
}

/// A buffer for a packet.
fn space(guest: &mut Guest, input: &mut Input) {
    let what = input.byte();
    let at = SPACES + STRIDE * u64::from(what & 15);
    let len = if what & 0xc0 == 0 { 50 } else { STRIDE as u32 };
    guest.offer(RECEIVE, &[Piece::writable(at, len)]);
    guest.notify(RECEIVE);
}

impl Host {
    fn act(&mut self, input: &mut Input) {
        let what = input.byte();
        match what & 7 {
            0 | 1 => self.connect(input),
            2 => self.accept(),
            _ if self.programs.is_empty() => {}
            _ => self.talk(what, input),
        }
    }

    fn accept(&mut self) {
        if let Ok((program, _)) = self.server.accept()
            && self.programs.len() < MOST_PROGRAMS
        {
            program.set_nonblocking(true).expect("a socket");
            self.programs.push(program);
        }
    }

    fn connect(&mut self, input: &mut Input) {
        if self.programs.len() == MOST_PROGRAMS {
            return;
        }
        let program = UnixStream::connect(&self.path).expect("the device listens");
        program.set_nonblocking(true).expect("a socket");
        let line = match input.byte() {
            0 => input.bytes::<40>().to_vec(),
            port => format!("CONNECT {}\n", port & 3).into_bytes(),
        };
        // The device may have given it up already.
        let _ = (&program).write(&line);
        self.programs.push(program);
    }

    fn talk(&mut self, what: u8, input: &mut Input) {
        let at = usize::from(what >> 3) % self.programs.len();
        let program = &mut self.programs[at];
        // Whether it works depends on the device and on the guest.
        let _ = match what & 7 {
            3 | 4 => program.write(&vec![what; input.word().into()]),
            5 => program.read(&mut vec![0; input.word().into()]),
            6 => {
                let how = [Shutdown::Read, Shutdown::Write][usize::from(input.byte() & 1)];
                program.shutdown(how).map(|()| 0)
            }
            _ => {
                self.programs.swap_remove(at);
                Ok(0)
            }
        };
    }
}
