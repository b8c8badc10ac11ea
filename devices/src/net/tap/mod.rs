//! [`Tap`]: a network behind a TAP interface of the host. Frames move between the host's kernel
//! and guest memory without a copy here, with checksums and segmentation left to the kernel.

mod sys;

use super::backend::{Backend, Port, PortError, Received, Scattered, SharedPort, Transmitted};
use super::{MIN_FRAME_BYTES, vectored};
use crate::virtio::net::Header;
use crate::virtio::net::spec;
use std::ffi::{CString, c_int, c_uint};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};

const TUN: &str = "/dev/net/tun";

/// Offloads of received frames, and the kernel's flags for them.
const OFFLOADS: [(u64, c_uint); 5] = [
    (spec::F_GUEST_CSUM, libc::TUN_F_CSUM),
    (spec::F_GUEST_TSO4, libc::TUN_F_TSO4),
    (spec::F_GUEST_TSO6, libc::TUN_F_TSO6),
    (spec::F_GUEST_ECN, libc::TUN_F_TSO_ECN),
    (spec::F_GUEST_UFO, libc::TUN_F_UFO),
];
const HOST_OFFLOADS: u64 = spec::F_CSUM | spec::F_HOST_TSO4 | spec::F_HOST_TSO6 | spec::F_HOST_ECN;

/// Why a TAP cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// No name of an interface.
    #[error("{0:?} cannot be the name of a TAP: 1 to 15 characters without spaces and slashes")]
    Name(String),
    /// No such interface.
    #[error(
        "TAP {0} does not exist: make it with `ip tuntap add mode tap name {0} user $USER` and `ip link set {0} up`, or use --net stream=PATH, which needs no privilege"
    )]
    Missing(String),
    /// The host's kernel has no TUN.
    #[error(
        "TAP {0} cannot be used: this host has no {TUN}: load it with `modprobe tun`, or use --net stream=PATH"
    )]
    NoTun(String),
    /// Only privileged users make TAPs.
    #[error(
        "a new TAP {0} may not be made by this user: have one made with `ip tuntap add mode tap name tap0 user $USER` and give its name, or use --net stream=PATH, which needs no privilege"
    )]
    MayNotMake(String),
    /// Not for this user.
    #[error(
        "TAP {0} may not be used by this user: make it with `ip tuntap add mode tap name {0} user $USER`, or use --net stream=PATH, which needs no privilege"
    )]
    NotPermitted(String),
    /// Somebody has it.
    #[error("TAP {0} is in use already: end the process that has it, or make another TAP")]
    InUse(String),
    /// Another kind of interface, or not of several queues.
    #[error("{name} is not a TAP{}: make one with `ip tuntap add mode tap {}name NAME user $USER`",
        if *queues > 1 { " of several queues" } else { "" },
        if *queues > 1 { "multi_queue " } else { "" })]
    NotATap {
        /// The interface.
        name: String,
        /// Queue pairs asked for.
        queues: u16,
    },
    /// Anything else.
    #[error("opening TAP {name}")]
    Io {
        /// The interface.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The network.
pub struct Tap {
    name: String,
    files: Vec<Arc<File>>,
    ports: Vec<SharedPort>,
    offloads: u64,
    /// How many queues, from the first, the kernel gives frames to.
    attached: Mutex<usize>,
}

impl Tap {
    /// Attaches to the TAP `name` with that many queue pairs; with `%d` in its name a new one is
    /// made, which goes with this process.
    pub fn open(name: &str, queues: u16) -> Result<Self, TapError> {
        let wrong_name = || TapError::Name(name.to_owned());
        let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..libc::IFNAMSIZ).contains(&name.len())
            || !printable
            || name.contains('/')
            || [".", ".."].contains(&name)
        {
            return Err(wrong_name());
        }
        let c_name = CString::new(name).map_err(|_| wrong_name())?;
        if !name.contains('%') && !sys::interface_exists(&c_name) {
            return Err(TapError::Missing(name.to_owned()));
        }
        let named = |error| open_error(name, queues, error);
        let (first, name) = open_first(&c_name, queues).map_err(named)?;
        let mut files = vec![first];
        let c_name = CString::new(name.as_str()).map_err(|_| wrong_name())?;
        for _ in 1..queues {
            let (file, _) = open_queue(&c_name, libc::IFF_MULTI_QUEUE).map_err(named)?;
            files.push(file);
        }
        Self::of(name.clone(), files).map_err(|source| TapError::Io { name, source })
    }

    fn of(name: String, files: Vec<File>) -> io::Result<Self> {
        let attached = Mutex::new(files.len());
        for file in &files {
            sys::set_header_bytes(file, spec::HEADER_BYTES)?;
        }
        let offloads = probe_offloads(&files[0])?;
        let files: Vec<_> = files.into_iter().map(Arc::new).collect();
        let port = |file: &Arc<File>| -> SharedPort {
            let file = Arc::clone(file);
            Arc::new(Mutex::new(TapPort {
                file,
                name: name.clone(),
                interface: Interface::Up,
            }))
        };
        let ports = files.iter().map(port).collect();
        let tap = Self {
            name: format!("tap={name}"),
            files,
            ports,
            offloads,
            attached,
        };
        tap.set_active_pairs(1)?;
        Ok(tap)
    }
}

/// A TAP of several queues takes a single one as well, if asked in its own way.
fn open_first(name: &CString, queues: u16) -> io::Result<(File, String)> {
    if queues > 1 {
        return open_queue(name, libc::IFF_MULTI_QUEUE);
    }
    match open_queue(name, 0) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            open_queue(name, libc::IFF_MULTI_QUEUE)
        }
        opened => opened,
    }
}

fn open_queue(name: &CString, more_flags: c_int) -> io::Result<(File, String)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(TUN)?;
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more_flags;
    let name = sys::attach(&file, name, flags)?;
    Ok((file, name))
}

fn open_error(name: &str, queues: u16, source: io::Error) -> TapError {
    let name = name.to_owned();
    match (source.kind(), source.raw_os_error()) {
        (ErrorKind::NotFound, _) | (_, Some(libc::ENODEV | libc::ENXIO)) => TapError::NoTun(name),
        (ErrorKind::PermissionDenied, _) if name.contains('%') => TapError::MayNotMake(name),
        (ErrorKind::PermissionDenied, _) => TapError::NotPermitted(name),
        (ErrorKind::ResourceBusy, _) => TapError::InUse(name),
        (ErrorKind::InvalidInput, _) => TapError::NotATap { name, queues },
        _ => TapError::Io { name, source },
    }
}

/// What the kernel can do. (It has been without UFO, and has taken it up again.)
fn probe_offloads(file: &File) -> io::Result<u64> {
    let with_ufo = spec::GUEST_OFFLOADS | spec::F_HOST_UFO | HOST_OFFLOADS;
    let without = with_ufo & !(spec::F_GUEST_UFO | spec::F_HOST_UFO);
    let works = |offloads| sys::set_offload(file, kernel_flags(offloads)).is_ok();
    let found = [with_ufo, without].into_iter().find(|set| works(*set));
    sys::set_offload(file, 0)?;
    Ok(found.unwrap_or(0))
}

/// The kernel's flags. It takes the others only with that for checksums, and that for congestion
/// marks only with one for TCP.
fn kernel_flags(mut offloads: u64) -> c_uint {
    if offloads & spec::F_GUEST_CSUM == 0 {
        return 0;
    }
    if offloads & (spec::F_GUEST_TSO4 | spec::F_GUEST_TSO6) == 0 {
        offloads &= !spec::F_GUEST_ECN;
    }
    let set = OFFLOADS
        .iter()
        .filter(|(offload, _)| offloads & offload != 0);
    set.map(|(_, flag)| flag).sum()
}

impl Backend for Tap {
    fn name(&self) -> &str {
        &self.name
    }

    fn offloads(&self) -> u64 {
        self.offloads
    }

    fn ports(&self) -> &[SharedPort] {
        &self.ports
    }

    fn set_guest_offloads(&self, offloads: u64) -> io::Result<()> {
        sys::set_offload(&self.files[0], kernel_flags(offloads))
    }

    fn set_active_pairs(&self, pairs: u16) -> io::Result<()> {
        let wanted = usize::from(pairs).clamp(1, self.files.len());
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        while *attached > wanted {
            sys::set_queue(&self.files[*attached - 1], libc::IFF_DETACH_QUEUE)?;
            *attached -= 1;
        }
        while *attached < wanted {
            sys::set_queue(&self.files[*attached], libc::IFF_ATTACH_QUEUE)?;
            *attached += 1;
        }
        Ok(())
    }
}

struct TapPort {
    file: Arc<File>,
    /// Of the interface.
    name: String,
    interface: Interface,
}

/// What is known of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interface {
    /// It takes frames, or has not been tried.
    Up,
    /// It takes none, and the user knows.
    Down,
}

impl TapPort {
    /// A frame was refused: the interface is down, short of memory, or finds fault with it.
    fn note_refused(&mut self, error: &io::Error) {
        let is_down = error.raw_os_error() == Some(libc::EIO);
        if is_down && self.interface == Interface::Up {
            self.interface = Interface::Down;
            let name = &self.name;
            log::warn!("TAP {name} is down: frames are lost until `ip link set {name} up`");
        }
        log::debug!("a frame is dropped: {error}");
    }
}

impl Port for TapPort {
    fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn receive(&mut self, space: Scattered, overflow: &mut [u8]) -> Result<Received, PortError> {
        let mut header = [0; spec::HEADER_BYTES];
        match vectored::read(&*self.file, &mut header, space, overflow) {
            Ok(bytes) => match bytes.checked_sub(spec::HEADER_BYTES) {
                Some(bytes) if bytes >= MIN_FRAME_BYTES => {
                    let header = Header::from_bytes(header);
                    Ok(Received::Frame { header, bytes })
                }
                _ => Ok(Received::Dropped),
            },
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(Received::Nothing),
                _ => Err(error.into()),
            },
        }
    }

    fn transmit(&mut self, header: Header, frame: Scattered) -> Result<Transmitted, PortError> {
        match vectored::write(&*self.file, &header.to_bytes(0), frame) {
            Ok(_) => Ok(Transmitted::Done),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Transmitted::Full),
            // The interface is gone.
            Err(error) if error.raw_os_error() == Some(libc::EBADFD) => Err(error.into()),
            Err(error) => {
                self.note_refused(&error);
                Ok(Transmitted::Done)
            }
        }
    }

    fn flush(&mut self) -> Result<bool, PortError> {
        Ok(true)
    }
}
