//! [`Worker`]: the thread on which a device works from `activate` to `reset`.
//!
//! A device brings [`Work`]: what it waits for and what it does then. The worker waits with an
//! event manager for those sources and for its stop event. No thread runs before activation,
//! and [`Worker::stop`] (or drop) returns when the thread has ended, so that afterwards nothing
//! touches guest memory.

use event_manager::{EventManager, EventOps, Events, MutEventSubscriber, SubscriberOps};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::EventFd;

/// Workers call little and keep their data on the heap.
const STACK_BYTES: usize = 128 << 10;
/// Events taken from the kernel at once.
const READY_EVENTS: usize = 8;
/// Token of the stop event; a device's own count from 0.
const STOP: u32 = u32::MAX;

/// What a device does on its thread.
pub trait Work: Send + 'static {
    /// What to wait for to become readable, each with a token. Asked once, before the thread runs.
    fn sources(&self) -> Vec<(RawFd, u32)>;
    /// The source with that token is readable. Returns soon: what is left to do is announced by
    /// making a source readable again.
    fn on_ready(&mut self, token: u32);
    /// The worker ends: completes what is in flight.
    fn on_stop(&mut self) {}
}

/// A running worker.
pub struct Worker {
    stop_evt: EventFd,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread of that name (at most 15 bytes are shown by the system).
    pub fn start(name: &str, work: impl Work) -> io::Result<Self> {
        let stop_evt = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        let status = Arc::new(Status::default());
        let mut manager =
            EventManager::new_with_capacity(READY_EVENTS).map_err(io::Error::other)?;
        manager.add_subscriber(Subscriber {
            work,
            stop_evt: stop_evt.try_clone()?,
            status: Arc::clone(&status),
        });
        if status.failed.load(Ordering::Relaxed) {
            return Err(io::Error::other("a source of events cannot be waited for"));
        }
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || run(manager, &status))?;
        Ok(Self {
            stop_evt,
            thread: Some(thread),
        })
    }

    /// Ends the thread and waits until it has.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if let Err(error) = self.stop_evt.write(1) {
            log::error!("stopping a worker: {error}");
        }
        if thread.join().is_err() {
            log::error!("a worker has panicked");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}

/// What the event loop and its one subscriber tell each other.
#[derive(Default)]
struct Status {
    stopped: AtomicBool,
    failed: AtomicBool,
}

fn run<W: Work>(mut manager: EventManager<Subscriber<W>>, status: &Status) {
    while !status.stopped.load(Ordering::Relaxed) {
        if let Err(error) = manager.run() {
            log::error!("waiting for events of a virtio device: {error}");
            return;
        }
    }
}

struct Subscriber<W> {
    work: W,
    stop_evt: EventFd,
    status: Arc<Status>,
}

impl<W: Work> MutEventSubscriber for Subscriber<W> {
    fn process(&mut self, events: Events, _ops: &mut EventOps) {
        match events.data() {
            STOP => {
                self.work.on_stop();
                self.status.stopped.store(true, Ordering::Relaxed);
            }
            // Others may be ready along with the stop event; nothing is begun after it.
            _ if self.status.stopped.load(Ordering::Relaxed) => {}
            token => self.work.on_ready(token),
        }
    }

    fn init(&mut self, ops: &mut EventOps) {
        let stop = Events::with_data(&self.stop_evt, STOP, EventSet::IN);
        let sources = self.work.sources().into_iter();
        let added = sources
            .map(|(fd, token)| Events::with_data_raw(fd, token, EventSet::IN))
            .chain([stop])
            .try_for_each(|events| ops.add(events));
        if let Err(error) = added {
            log::error!("events of a virtio device: {error}");
            self.status.failed.store(true, Ordering::Relaxed);
        }
    }
}
