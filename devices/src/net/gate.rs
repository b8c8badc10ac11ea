//! [`Gate`]: a descriptor as a source of events that can be shut. A worker waits for its sources
//! to become readable, always; through a gate it waits for what it has use for now, or nothing.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// What is waited for. Nothing means that not even an error makes the gate readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// There is something to read.
    pub(crate) input: bool,
    /// There is room to write.
    pub(crate) output: bool,
}

impl Interest {
    fn events(self) -> EventSet {
        let mut events = EventSet::empty();
        events.set(EventSet::IN, self.input);
        events.set(EventSet::OUT, self.output);
        events
    }
}

pub(crate) struct Gate {
    epoll: Epoll,
    fd: RawFd,
    interest: Interest,
}

impl Gate {
    /// A gate to `fd`, which outlives it; shut.
    pub(crate) fn new(fd: RawFd) -> io::Result<Self> {
        let interest = Interest::default();
        let epoll = Epoll::new()?;
        Ok(Self {
            epoll,
            fd,
            interest,
        })
    }

    /// Readable when what is waited for has come.
    pub(crate) fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Waits for that from now on.
    pub(crate) fn set(&mut self, interest: Interest) -> io::Result<()> {
        let nothing = Interest::default();
        let operation = match (self.interest == nothing, interest == nothing) {
            _ if self.interest == interest => return Ok(()),
            (true, _) => ControlOperation::Add,
            (false, true) => ControlOperation::Delete,
            (false, false) => ControlOperation::Modify,
        };
        let event = EpollEvent::new(interest.events(), 0);
        self.epoll.ctl(operation, self.fd, event)?;
        self.interest = interest;
        Ok(())
    }
}
