//! Signals that end Hostel, as a descriptor for the event loop.
#![expect(unsafe_code, reason = "signalfd, signal, and poll on a descriptor")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use vmm_sys_util::signal::{block_signal, create_sigset};

/// SIGINT, SIGTERM and SIGHUP, kept from ending the process at once.
pub struct Signals {
    file: File,
}

impl Signals {
    /// Blocks the signals in this thread and those it starts; they are read here instead.
    pub fn take() -> io::Result<Self> {
        let numbers = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
        let set = create_sigset(&numbers)?;
        for number in numbers {
            // One that is blocked already stays so.
            let _ = block_signal(number);
        }
        // SAFETY: the set is initialised; the result is checked below.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is fresh and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        Ok(Self { file })
    }

    /// Waits for a signal; its number.
    pub fn wait(&mut self) -> Option<u8> {
        let mut poll = libc::pollfd {
            fd: self.file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, which lives until the call returns.
        unsafe { libc::poll(&raw mut poll, 1, -1) };
        self.read()
    }

    /// Number of the next signal that has come.
    pub fn read(&mut self) -> Option<u8> {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        self.file.read_exact(&mut info).ok()?;
        // ssi_signo is the first field (signalfd(2)).
        Some(info[0])
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Makes a write to a pipe without a reader an error instead of the end of the process.
pub fn ignore_broken_pipes() {
    // SAFETY: no handler of ours is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Whether a read from `fd` would not block.
pub fn readable(fd: RawFd) -> bool {
    is_ready(fd, libc::POLLIN)
}

/// Whether a short write to `fd` would not block.
pub fn writable(fd: RawFd) -> bool {
    is_ready(fd, libc::POLLOUT)
}

fn is_ready(fd: RawFd, events: libc::c_short) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one pollfd, and no wait.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
}
