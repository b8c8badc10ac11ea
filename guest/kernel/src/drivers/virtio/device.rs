//! A started device: requests to it, and how their answers are awaited.

use super::chain::Request;
use super::layout::MAX_SLOTS;
use super::queue::{Answer, FEATURE_INDIRECT, Queue, Slots, Token};
use super::ring::FEATURE_EVENT_INDEX;
use super::transport::{Doorbell, Transport};
use super::{Broken, FEATURE_VERSION_1, Handle, Interrupted};
use crate::drivers::poll_until;
use crate::sched::WaitQueue;
use crate::sync::SpinLock;
use crate::time::deadline;
use abi::syscall::{Errno, IoMode};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

/// A device that does not answer for so long is given up.
const ANSWER_TIMEOUT_NS: u64 = 10_000_000_000;

/// A queue and those who wait for it.
pub(super) struct Channel {
    doorbell: Doorbell,
    pub(super) queue: SpinLock<Queue>,
    /// By the slot of the request that they wait for.
    waiters: [WaitQueue; MAX_SLOTS as usize],
    /// Those who wait for a slot.
    starving: WaitQueue,
}

impl Channel {
    /// Those who wait for a request.
    pub(super) fn waiters(&self, token: Token) -> &WaitQueue {
        &self.waiters[token.slot()]
    }
}

/// A started device.
pub(super) struct Device {
    pub(super) transport: Transport,
    features: u64,
    pub(super) channels: Vec<Channel>,
    broken: AtomicBool,
}

impl Device {
    /// Brings up the device behind `transport`, which is `handle`'s, but for the last step. `cpus`
    /// gives the processors that its queues interrupt.
    pub(super) fn set_up(
        transport: Transport,
        handle: Handle,
        features: u64,
        max_slots: u16,
        cpus: impl FnOnce(&Transport, u64) -> Result<Vec<u32>, Broken>,
    ) -> Result<Self, Broken> {
        let wanted = features | FEATURE_VERSION_1 | FEATURE_INDIRECT | FEATURE_EVENT_INDEX;
        let features = transport.negotiate(wanted, FEATURE_VERSION_1)?;
        let cpus = cpus(&transport, features)?;
        transport.connect_to(handle, &cpus)?;
        let mut channels = Vec::with_capacity(cpus.len());
        for index in (0..).take(cpus.len()) {
            let max_size = transport.select_queue(index);
            let queue = Queue::new(max_size, features, max_slots).map_err(|_| transport.fail())?;
            let doorbell = transport.set_rings(index, &queue.rings())?;
            channels.push(Channel {
                doorbell,
                queue: SpinLock::new(queue),
                waiters: [const { WaitQueue::new() }; MAX_SLOTS as usize],
                starving: WaitQueue::new(),
            });
        }
        let broken = AtomicBool::new(false);
        Ok(Self {
            transport,
            features,
            channels,
            broken,
        })
    }

    pub(super) fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Gives the device up: it stops touching memory, and all who wait for it wake.
    fn break_down(&self) -> Errno {
        if !self.broken.swap(true, Ordering::AcqRel) {
            self.transport.reset();
        }
        for channel in &self.channels {
            channel.waiters.iter().for_each(WaitQueue::wake_all);
            channel.starving.wake_all();
        }
        Errno::Io
    }

    /// Takes in what the device has done, and wakes those who wait for it.
    fn collect(&self, channel: &Channel) {
        let collected = channel.queue.lock().collect();
        self.wake(channel, collected);
    }

    /// Wakes those whose requests have come back; nobody is told here of a device that is broken,
    /// but those who wait find out.
    fn wake(&self, channel: &Channel, collected: Result<Slots, Broken>) {
        match collected {
            Ok(slots) => slots
                .each()
                .for_each(|slot| channel.waiters[slot].wake_all()),
            Err(Broken) => drop(self.break_down()),
        }
    }

    /// One request, from submission to answer.
    pub(super) fn request(
        &self,
        channel: &Channel,
        request: &Request<'_>,
    ) -> Result<Answer, Errno> {
        let token = self.submit(channel, request)?;
        self.wait(channel, token, request.mode)
    }

    /// Hands a request to the device; sleeps while no slot is free.
    pub(super) fn submit(&self, channel: &Channel, request: &Request<'_>) -> Result<Token, Errno> {
        loop {
            if let Some(token) = self.try_submit(channel, request)? {
                return Ok(token);
            }
            let has_room = || self.is_broken() || channel.queue.lock().has_room();
            if !channel
                .starving
                .wait_until_deadline(has_room, deadline(ANSWER_TIMEOUT_NS))
            {
                return Err(self.break_down());
            }
        }
    }

    pub(super) fn try_submit(
        &self,
        channel: &Channel,
        request: &Request<'_>,
    ) -> Result<Option<Token>, Errno> {
        if self.is_broken() {
            return Err(Errno::Io);
        }
        let mut queue = channel.queue.lock();
        let token = queue.submit(request);
        if token.is_some() && queue.publish() {
            self.transport.notify(channel.doorbell);
        }
        Ok(token)
    }

    /// Waits for the answer to a request in the way that it was submitted for.
    pub(super) fn wait(
        &self,
        channel: &Channel,
        token: Token,
        mode: IoMode,
    ) -> Result<Answer, Errno> {
        let deadline_ns = deadline(ANSWER_TIMEOUT_NS);
        let done = || self.is_done(channel, token);
        let in_time = match mode {
            IoMode::Interrupt => {
                let waiters = channel.waiters(token);
                waiters.wait_until_deadline(done, deadline_ns)
            }
            IoMode::Poll => poll_until(done, deadline_ns),
        };
        if !in_time {
            return Err(self.break_down());
        }
        let answer = channel.queue.lock().take(token);
        channel.starving.wake_one();
        answer.ok_or(Errno::Io)
    }

    /// Whether waiting for this request is over, for good or bad.
    pub(super) fn is_done(&self, channel: &Channel, token: Token) -> bool {
        let mut queue = channel.queue.lock();
        if queue.is_done(token) {
            return true;
        }
        let collected = queue.collect();
        let done = queue.is_done(token);
        drop(queue);
        self.wake(channel, collected);
        done || self.is_broken()
    }
}

impl Interrupted for Device {
    fn interrupted(&self) {
        self.transport.acknowledge();
        for channel in &self.channels {
            self.collect(channel);
        }
    }

    fn queue_interrupted(&self, queue: usize) {
        if let Some(channel) = self.channels.get(queue) {
            self.collect(channel);
        }
    }
}
