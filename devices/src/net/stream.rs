//! [`Stream`]: a network behind a Unix stream socket, for which no privilege is needed. The format
//! is that of passt and of QEMU's `-netdev stream`: each frame comes after its length, a big-endian
//! number of 32 bits. There are no offloads.
//!
//! On the way in, a system call takes many frames. On the way out each frame has its own: passt
//! (of 2023, in Debian 12) loses its place when what it reads ends within a length, or when the
//! rest of a frame comes to it in several pieces. Linux hands on what is written at once in
//! pieces of some 36 KiB, so a frame that is written alone has two at most.
//!
//! The rest of a frame for which the socket had no room outlives a reset of the device: a stream
//! cannot be cut in mid-frame.

use super::backend::{Backend, Port, PortError, Received, Scattered, SharedPort, Transmitted};
use super::vectored;
use super::{MAX_FRAME_BYTES, MIN_FRAME_BYTES};
use crate::virtio::net::Header;
use crate::virtio::ring::read_front;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Bytes before each frame.
const LENGTH_BYTES: usize = 4;
/// Bytes taken from the socket at once; more than the longest frame.
const INBOX_BYTES: usize = 256 << 10;

/// Why a socket cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// No such socket.
    #[error(
        "network socket {0} does not exist: start the other end first, for example with `passt --socket {0}`"
    )]
    Missing(PathBuf),
    /// Nobody listens, or it is no stream socket.
    #[error(
        "network socket {0} refuses the connection: (re)start the other end, for example with `passt --socket {0}`"
    )]
    Refused(PathBuf),
    /// Not for this user.
    #[error("network socket {0} may not be used: check its permissions")]
    NotPermitted(PathBuf),
    /// Anything else.
    #[error("connecting to network socket {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The network.
pub struct Stream {
    name: String,
    port: SharedPort,
}

impl Stream {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> Result<Self, StreamError> {
        let path_buf = || path.to_owned();
        let io_error = |source| StreamError::Io {
            path: path_buf(),
            source,
        };
        let socket = UnixStream::connect(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StreamError::Missing(path_buf()),
            ErrorKind::ConnectionRefused => StreamError::Refused(path_buf()),
            ErrorKind::PermissionDenied => StreamError::NotPermitted(path_buf()),
            _ if error.raw_os_error() == Some(libc::EPROTOTYPE) => StreamError::Refused(path_buf()),
            _ => io_error(error),
        })?;
        Self::new(format!("stream={}", path.display()), socket).map_err(io_error)
    }

    /// A network behind a connected socket.
    pub fn new(name: String, socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let port = Arc::new(Mutex::new(StreamPort::new(socket)));
        Ok(Self { name, port })
    }
}

impl Backend for Stream {
    fn name(&self) -> &str {
        &self.name
    }

    fn ports(&self) -> &[SharedPort] {
        std::slice::from_ref(&self.port)
    }
}

struct StreamPort {
    socket: UnixStream,
    inbox: Inbox,
    /// The rest of the last frame sent.
    rest: Vec<u8>,
}

impl StreamPort {
    fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            inbox: Inbox::default(),
            rest: Vec::new(),
        }
    }
}

impl Port for StreamPort {
    fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    fn receive(&mut self, space: Scattered, overflow: &mut [u8]) -> Result<Received, PortError> {
        if !self.inbox.has_frame()? && !self.inbox.fill(&mut self.socket)? {
            return Ok(Received::Nothing);
        }
        match self.inbox.next_frame()? {
            Some(frame) if frame.len() < MIN_FRAME_BYTES => Ok(Received::Dropped),
            Some(frame) => {
                space.deliver(frame, overflow)?;
                let (header, bytes) = (Header::default(), frame.len());
                Ok(Received::Frame { header, bytes })
            }
            // The rest of it is yet to come.
            None => Ok(Received::Nothing),
        }
    }

    fn transmit(&mut self, _header: Header, frame: Scattered) -> Result<Transmitted, PortError> {
        if !self.flush()? {
            return Ok(Transmitted::Full);
        }
        let lengths = frame.buffers.iter().map(|buffer| buffer.len);
        // The worker takes no longer frames than fit.
        let length = lengths.sum::<u32>().to_be_bytes();
        let written = vectored::write(&self.socket, &length, frame);
        let Some(written) = sent(written)? else {
            return Ok(Transmitted::Full);
        };
        self.keep_rest(written, length, frame)?;
        Ok(Transmitted::Done)
    }

    fn flush(&mut self) -> Result<bool, PortError> {
        while !self.rest.is_empty() {
            match sent(self.socket.write(&self.rest))? {
                Some(bytes) => self.rest.drain(..bytes),
                None => return Ok(false),
            };
        }
        Ok(true)
    }
}

impl StreamPort {
    /// Keeps what comes after the `written` bytes of a frame and its length.
    fn keep_rest(
        &mut self,
        written: usize,
        length: [u8; LENGTH_BYTES],
        frame: Scattered,
    ) -> Result<(), PortError> {
        let bytes = u32::from_be_bytes(length) as usize;
        if written == LENGTH_BYTES + bytes {
            return Ok(());
        }
        self.rest.extend(length);
        self.rest.resize(LENGTH_BYTES + bytes, 0);
        if !read_front(frame.memory, frame.buffers, &mut self.rest[LENGTH_BYTES..]) {
            return Err(io::Error::other("guest memory cannot be read").into());
        }
        self.rest.drain(..written);
        Ok(())
    }
}

/// How many bytes the socket has taken; none if it was full.
fn sent(written: io::Result<usize>) -> Result<Option<usize>, PortError> {
    match written {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Err(PortError::Closed),
            _ => Err(error.into()),
        },
    }
}

/// Bytes from the socket, of which the first frames are complete.
#[derive(Default)]
struct Inbox {
    /// Allocated when it is first needed.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// Where the first frame is, if it is complete.
    fn first_frame(&self) -> Result<Option<Range<usize>>, PortError> {
        let there = &self.bytes[self.start..self.end];
        let Some((length, rest)) = there.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        let bytes = length as usize;
        if bytes > MAX_FRAME_BYTES {
            return Err(PortError::TooLong(length));
        }
        let start = self.start + LENGTH_BYTES;
        Ok((bytes <= rest.len()).then(|| start..start + bytes))
    }

    fn has_frame(&self) -> Result<bool, PortError> {
        Ok(self.first_frame()?.is_some())
    }

    /// The first frame, which is then gone.
    fn next_frame(&mut self) -> Result<Option<&[u8]>, PortError> {
        let Some(frame) = self.first_frame()? else {
            return Ok(None);
        };
        self.start = frame.end;
        Ok(Some(&self.bytes[frame]))
    }

    /// Reads more; false when there is none now.
    fn fill(&mut self, socket: &mut UnixStream) -> Result<bool, PortError> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; INBOX_BYTES];
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match socket.read(&mut self.bytes[self.end..]) {
                Ok(0) if self.end == 0 => return Err(PortError::Closed),
                Ok(0) => return Err(PortError::MidFrame),
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(true);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Ok(false),
                    ErrorKind::ConnectionReset if self.end == 0 => return Err(PortError::Closed),
                    ErrorKind::ConnectionReset => return Err(PortError::MidFrame),
                    _ => return Err(error.into()),
                },
            }
        }
    }
}
