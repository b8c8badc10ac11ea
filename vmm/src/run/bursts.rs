//! [`Bursts`]: standard output for a guest that writes byte by byte, an exit each: a system call each
//! would cost as much as the exit.
//!
//! The first byte after a pause goes out at once. What follows it closely waits for the end of the
//! line, or for so many bytes, or for a moment without either, whichever comes first.

use devices::timer::TimedDevice;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use vmm_sys_util::timerfd::TimerFd;

/// A byte that comes so long after the last begins a burst.
const PAUSE: Duration = Duration::from_millis(1);
/// Longest wait of a byte.
const PATIENCE: Duration = Duration::from_millis(2);
/// Most bytes that wait.
const MOST: usize = 512;

/// Standard output, shared by the consoles.
#[derive(Clone)]
pub(super) struct Bursts(Arc<Mutex<Pending>>);

struct Pending {
    out: Box<dyn Write + Send>,
    bytes: Vec<u8>,
    last_byte: Instant,
    /// Expires when bytes have waited long enough.
    timer: Timer,
}

/// The timer of both. Its lock is a leaf, held for a system call that does not wait.
#[derive(Clone)]
struct Timer(Arc<Mutex<TimerFd>>);

impl Timer {
    fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(TimerFd::new()?))))
    }

    fn lock(&self) -> MutexGuard<'_, TimerFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> io::Result<()> {
        Ok(self.lock().reset(PATIENCE, None)?)
    }

    fn stop(&self) -> io::Result<()> {
        Ok(self.lock().clear()?)
    }
}

impl Bursts {
    /// Bursts to `out`, and who is to be called when their time has come.
    pub(super) fn new(out: impl Write + Send + 'static) -> io::Result<(Self, Flusher)> {
        let timer = Timer::new()?;
        let pending = Arc::new(Mutex::new(Pending {
            out: Box::new(out),
            bytes: Vec::with_capacity(MOST),
            last_byte: Instant::now() - PAUSE,
            timer: timer.clone(),
        }));
        let flusher = Flusher {
            pending: pending.clone(),
            timer,
        };
        Ok((Self(pending), flusher))
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        let begins = now - self.last_byte >= PAUSE;
        self.last_byte = now;
        let waited = !self.bytes.is_empty();
        self.bytes.extend(bytes);
        if (begins && !waited) || bytes.contains(&b'\n') || self.bytes.len() >= MOST {
            return self.send();
        }
        if waited {
            return Ok(());
        }
        self.timer.start()
    }

    /// What cannot be sent is nobody's any more.
    fn send(&mut self) -> io::Result<()> {
        let sent = self.out.write_all(&self.bytes);
        self.bytes.clear();
        sent.and_then(|()| self.out.flush())
    }
}

impl Write for Bursts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().take(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().send()
    }
}

/// Sends what has waited long enough. It never waits itself, neither for a vCPU that is sending nor
/// for a reader that is slow: it comes back later.
pub(super) struct Flusher {
    pending: Arc<Mutex<Pending>>,
    timer: Timer,
}

impl Flusher {
    /// Whether nothing waits any more.
    fn try_send(&self) -> bool {
        let mut pending = match self.pending.try_lock() {
            Ok(pending) => pending,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let sends = pending.bytes.is_empty() || crate::signals::writable(libc::STDOUT_FILENO);
        if sends {
            // Nobody is there to be told that nobody is there.
            let _ = pending.send();
        }
        sends
    }
}

impl TimedDevice for Flusher {
    fn timer_fd(&self) -> RawFd {
        self.timer.lock().as_raw_fd()
    }

    fn timer_expired(&mut self) {
        // Before a look at what waits: it is set again for what comes later.
        let mut set = self.timer.stop();
        if !self.try_send() {
            set = self.timer.start();
        }
        if let Err(error) = set {
            log::error!("output: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Each write as it came.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Has the next byte follow the last one soon, however slow this machine is now.
    fn is_in_a_burst(bursts: &Bursts) {
        bursts.lock().last_byte = Instant::now() + Duration::from_secs(60);
    }

    impl Writes {
        fn all(&self) -> Vec<u8> {
            self.0.lock().unwrap().concat()
        }
    }

    #[test]
    fn a_first_byte_goes_at_once_and_a_line_in_few_writes() {
        let writes = Writes::default();
        let (mut bursts, _flusher) = Bursts::new(writes.clone()).unwrap();
        bursts.write_all(b"!").unwrap();
        assert_eq!(writes.all(), b"!");
        for byte in b"hello, world, and all that is in it\n" {
            is_in_a_burst(&bursts);
            bursts.write_all(&[*byte]).unwrap();
        }
        assert_eq!(writes.all(), b"!hello, world, and all that is in it\n");
        assert_eq!(writes.0.lock().unwrap().len(), 2, "writes");
    }

    #[test]
    fn many_bytes_without_a_line_are_not_kept() {
        let writes = Writes::default();
        let (mut bursts, _flusher) = Bursts::new(writes.clone()).unwrap();
        bursts.write_all(&[b'x'; 10 * MOST]).unwrap();
        assert_eq!(writes.all().len(), 10 * MOST);
    }

    #[test]
    fn a_prompt_is_sent_when_its_time_has_come() {
        let writes = Writes::default();
        let (mut bursts, mut flusher) = Bursts::new(writes.clone()).unwrap();
        is_in_a_burst(&bursts);
        bursts.write_all(b"login: ").unwrap();
        assert_eq!(writes.all(), b"");
        // Not as long as nobody takes the output of this test.
        for _ in 0..1000 {
            thread::sleep(2 * PATIENCE);
            flusher.timer_expired();
            if !writes.all().is_empty() {
                break;
            }
        }
        assert_eq!(writes.all(), b"login: ");
    }
}
