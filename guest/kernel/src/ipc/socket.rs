//! Stream sockets between processes: a pipe each way, made as a pair or by connecting to a name.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use abi::syscall::Errno;

use super::pipe::Pipe;
use crate::process::current;
use crate::sched::WaitQueue;
use crate::sync::SpinLock;

/// Bytes on their way, each way.
const STREAM_BYTES: usize = 16 * 1024;
/// Most that may wait to be accepted.
const MOST_BACKLOG: u64 = 64;

/// One end of a stream both ways.
pub struct Socket {
    /// What comes.
    pub incoming: Arc<Pipe>,
    /// What goes.
    pub outgoing: Arc<Pipe>,
}

impl Socket {
    /// Two that are each other's ends.
    pub fn pair() -> [Self; 2] {
        let (there, back) = (Pipe::new(STREAM_BYTES), Pipe::new(STREAM_BYTES));
        let first = Self {
            incoming: back.clone(),
            outgoing: there.clone(),
        };
        let second = Self {
            incoming: there,
            outgoing: back,
        };
        [first, second]
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.incoming.close_reader();
        self.outgoing.close_writer();
    }
}

struct Backlog {
    /// Other ends of those that have connected, oldest first.
    waiting: VecDeque<Socket>,
    is_open: bool,
}

/// Where sockets connect to.
pub struct Listener {
    backlog: SpinLock<Backlog>,
    most: usize,
    changes: WaitQueue,
}

impl Listener {
    /// One with nobody waiting, of at most so many.
    pub fn new(backlog: u64) -> Result<Arc<Self>, Errno> {
        if !(1..=MOST_BACKLOG).contains(&backlog) {
            return Err(Errno::Inval);
        }
        let state = Backlog {
            waiting: VecDeque::new(),
            is_open: true,
        };
        Ok(Arc::new(Self {
            backlog: SpinLock::new(state),
            most: backlog as usize,
            changes: WaitQueue::new(),
        }))
    }

    /// A socket whose other end will be accepted; waits while too many are.
    pub fn connect(&self, deadline_ns: u64) -> Result<Socket, Errno> {
        let process = current();
        let [mine, theirs] = Socket::pair();
        let mut theirs = Some(theirs);
        let mut outcome = Err(Errno::TimedOut);
        self.changes.wait_until_deadline(
            || {
                let mut backlog = self.backlog.lock();
                if !backlog.is_open {
                    outcome = Err(Errno::ConnRefused);
                } else if backlog.waiting.len() < self.most
                    && let Some(theirs) = theirs.take()
                {
                    backlog.waiting.push_back(theirs);
                    outcome = Ok(());
                }
                outcome != Err(Errno::TimedOut) || process.is_ending()
            },
            deadline_ns,
        );
        self.changes.wake_all();
        outcome.map(|()| mine)
    }

    /// The other end of who has connected first, waiting for one.
    pub fn accept(&self, deadline_ns: u64) -> Result<Socket, Errno> {
        let process = current();
        let mut accepted = None;
        self.changes.wait_until_deadline(
            || {
                accepted = self.backlog.lock().waiting.pop_front();
                accepted.is_some() || process.is_ending()
            },
            deadline_ns,
        );
        self.changes.wake_all();
        accepted.ok_or(Errno::TimedOut)
    }

    /// Nobody will accept any more: those who wait have lost their other end.
    pub fn close(&self) {
        let waiting = {
            let mut backlog = self.backlog.lock();
            backlog.is_open = false;
            core::mem::take(&mut backlog.waiting)
        };
        drop(waiting);
        self.changes.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_may_wait_and_no_others() {
        for backlog in [0, MOST_BACKLOG + 1, u64::MAX] {
            assert_eq!(Listener::new(backlog).err(), Some(Errno::Inval));
        }
        assert!(Listener::new(1).is_ok() && Listener::new(MOST_BACKLOG).is_ok());
    }
}
