//! [`Terminal`]: a pseudo-terminal, whose other side a child takes for the user's.
#![expect(unsafe_code, reason = "openpty, tcgetattr, poll")]

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Both sides. The child's is kept open, so that its modes outlive the child.
pub struct Terminal {
    user: File,
    child: File,
    /// Set when the child has ended: what has come by then is all.
    over: Arc<AtomicBool>,
}

impl Terminal {
    /// A terminal as a shell would have it.
    pub fn open() -> io::Result<Self> {
        let (mut user, mut child) = (-1, -1);
        let none = std::ptr::null_mut();
        // SAFETY: two descriptors to fill; name, modes and size are left to the system.
        let opened = unsafe {
            libc::openpty(
                &raw mut user,
                &raw mut child,
                none,
                none.cast(),
                none.cast(),
            )
        };
        if opened < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both descriptors are fresh and nobody else's.
        let (user, child) = unsafe { (File::from_raw_fd(user), File::from_raw_fd(child)) };
        // A child that inherited the user's side would keep the terminal alive.
        // SAFETY: sets a flag of descriptors that this function owns.
        unsafe {
            libc::fcntl(user.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(child.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
        }
        Ok(Self {
            user,
            child,
            over: Arc::default(),
        })
    }

    /// The child's side.
    pub fn stdio(&self) -> io::Result<Stdio> {
        Ok(self.child.try_clone()?.into())
    }

    /// The user's side, to type.
    pub fn keyboard(&self) -> io::Result<File> {
        self.user.try_clone()
    }

    /// The user's side, to read; it ends after [`Self::child_has_ended`].
    pub(crate) fn screen(&self) -> io::Result<Screen> {
        Ok(Screen {
            user: self.user.try_clone()?,
            over: self.over.clone(),
        })
    }

    pub(crate) fn child_has_ended(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Input, output, control and local modes.
    pub fn modes(&self) -> io::Result<[u32; 4]> {
        let mut modes = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the pointer is good for one termios.
        if unsafe { libc::tcgetattr(self.child.as_raw_fd(), modes.as_mut_ptr()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: tcgetattr has filled it.
        let modes = unsafe { modes.assume_init() };
        Ok([modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag])
    }

    /// Whether keys come one by one and are not echoed.
    pub fn is_raw(&self) -> io::Result<bool> {
        let [.., local] = self.modes()?;
        Ok(local & (libc::ICANON | libc::ECHO | libc::ISIG) == 0)
    }
}

/// What the child writes.
pub(crate) struct Screen {
    user: File,
    over: Arc<AtomicBool>,
}

impl Read for Screen {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        const POLL_MS: libc::c_int = 10;
        loop {
            // Asked before looking: what was written before the end is seen.
            let over = self.over.load(Ordering::Relaxed);
            let mut poll = libc::pollfd {
                fd: self.user.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one pollfd.
            let ready = unsafe { libc::poll(&raw mut poll, 1, POLL_MS) } > 0;
            if ready {
                return self.user.read(bytes);
            }
            if over {
                return Ok(0);
            }
        }
    }
}
