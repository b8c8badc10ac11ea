//! [`Child`]: a process started by this one.

use crate::sys::{self, Pid};
use abi::syscall::{EndCause, Errno, ExitStatus};

/// A child process. One that is neither waited for nor killed runs on when this is dropped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
}

impl Child {
    /// Forks; the child runs `body` and exits with its result.
    pub fn fork(body: impl FnOnce() -> i32) -> Result<Self, Errno> {
        match sys::fork()? {
            Some(pid) => Ok(Self { pid }),
            None => sys::exit(body()),
        }
    }

    /// Starts another program; `args` are joined by NUL.
    ///
    /// The child exits with [`EXEC_FAILED`] when there is no such program.
    pub fn exec(path: &str, args: &str) -> Result<Self, Errno> {
        Self::fork(|| {
            sys::exec(path, args);
            EXEC_FAILED
        })
    }

    /// The same, of a child that needs no copy of this program's memory, which waits until the other
    /// has started; not with several threads.
    pub fn spawn(path: &str, args: &str) -> Result<Self, Errno> {
        let pid = sys::spawn(path, args, EXEC_FAILED)?;
        Ok(Self { pid })
    }

    /// The same with a copy of all memory made first.
    pub fn exec_copied(path: &str, args: &str) -> Result<Self, Errno> {
        match sys::fork_copy()? {
            Some(pid) => Ok(Self { pid }),
            None => {
                sys::exec(path, args);
                sys::exit(EXEC_FAILED)
            }
        }
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end, at most `timeout_ns`.
    pub fn wait(&self, timeout_ns: u64) -> Result<ExitStatus, Errno> {
        sys::wait(Some(self.pid), timeout_ns).map(|(_, status)| status)
    }

    /// Kills it and waits for its end.
    pub fn kill(&self) -> Result<ExitStatus, Errno> {
        sys::kill(self.pid)?;
        self.wait(sys::FOREVER)
    }
}

/// Exit code of a child whose `exec` failed.
pub const EXEC_FAILED: i32 = 127;

/// Why a process ended.
pub fn cause(status: ExitStatus) -> Option<EndCause> {
    EndCause::from_number(status.cause)
}

/// The code that a process exited with, if it was not killed.
pub fn exit_code(status: ExitStatus) -> Option<i32> {
    (cause(status) == Some(EndCause::Exited)).then_some(status.code)
}
