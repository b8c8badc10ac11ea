//! Message queues: whole messages, those of the highest priority first, and of one priority in the
//! order in which they came.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::syscall::Errno;

use crate::process::current;
use crate::sched::WaitQueue;
use crate::sync::SpinLock;

/// Priorities, from 0 up (POSIX.1-2017 asks for 32, `_POSIX_MQ_PRIO_MAX`).
const PRIORITIES: usize = 32;
/// Most messages of a queue.
const MOST_MESSAGES: u64 = 1024;
/// Most bytes of a message.
const MOST_MESSAGE_BYTES: u64 = 64 * 1024;
/// Most bytes that a queue holds.
const MOST_BYTES: u64 = 1024 * 1024;

/// A message in a queue.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Below 32, the highest first.
    pub priority: u32,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// The messages of a queue.
#[derive(Default)]
struct Waiting {
    levels: [VecDeque<Vec<u8>>; PRIORITIES],
    /// Levels that have messages, a bit each.
    used: u32,
    count: usize,
}

impl Waiting {
    fn put(&mut self, priority: u32, bytes: Vec<u8>) -> Result<(), Errno> {
        let level = &mut self.levels[priority as usize];
        level.try_reserve(1).map_err(|_| Errno::NoMem)?;
        level.push_back(bytes);
        self.used |= 1 << priority;
        self.count += 1;
        Ok(())
    }

    /// Takes the first message out, if it is no longer than `most`; [`Errno::Again`] if there is none.
    fn take(&mut self, most: usize) -> Result<Message, Errno> {
        let priority = self.used.checked_ilog2().ok_or(Errno::Again)?;
        let level = &mut self.levels[priority as usize];
        let bytes = level.pop_front_if(|bytes| bytes.len() <= most);
        let bytes = bytes.ok_or(Errno::MsgSize)?;
        if level.is_empty() {
            self.used &= !(1 << priority);
        }
        self.count -= 1;
        Ok(Message { priority, bytes })
    }

    /// What has just been taken out is first again.
    fn put_back(&mut self, message: Message) {
        self.levels[message.priority as usize].push_front(message.bytes);
        self.used |= 1 << message.priority;
        self.count += 1;
    }
}

/// A message queue.
pub struct Queue {
    waiting: SpinLock<Waiting>,
    /// Waits for room, and for messages.
    room: WaitQueue,
    arrivals: WaitQueue,
    most_messages: usize,
    most_bytes: usize,
}

impl Queue {
    /// An empty one for so many messages of so many bytes at most.
    pub fn new(messages: u64, message_bytes: u64) -> Result<Arc<Self>, Errno> {
        let allowed = (1..=MOST_MESSAGES).contains(&messages)
            && (1..=MOST_MESSAGE_BYTES).contains(&message_bytes)
            && messages * message_bytes <= MOST_BYTES;
        if !allowed {
            return Err(Errno::Inval);
        }
        Ok(Arc::new(Self {
            waiting: SpinLock::new(Waiting::default()),
            room: WaitQueue::new(),
            arrivals: WaitQueue::new(),
            most_messages: messages as usize,
            most_bytes: message_bytes as usize,
        }))
    }

    /// What is wrong with such a message, if something is.
    pub fn check(&self, len: u64, priority: u64) -> Result<(), Errno> {
        match (len > self.most_bytes as u64, priority >= PRIORITIES as u64) {
            (true, _) => Err(Errno::MsgSize),
            (false, true) => Err(Errno::Inval),
            (false, false) => Ok(()),
        }
    }

    /// Puts a message in that [`Self::check`] allows, waiting for room.
    pub fn send(&self, message: Message, deadline_ns: u64) -> Result<(), Errno> {
        let process = current();
        let Message { priority, bytes } = message;
        let mut bytes = Some(bytes);
        let mut outcome = Err(Errno::TimedOut);
        self.room.wait_until_deadline(
            || {
                let mut waiting = self.waiting.lock();
                if waiting.count < self.most_messages
                    && let Some(bytes) = bytes.take()
                {
                    outcome = waiting.put(priority, bytes);
                }
                bytes.is_none() || process.is_ending()
            },
            deadline_ns,
        );
        self.arrivals.wake_all();
        outcome
    }

    /// Takes the first message out, waiting for one; [`Errno::MsgSize`] if it is longer than `most`.
    pub fn receive(&self, most: usize, deadline_ns: u64) -> Result<Message, Errno> {
        let process = current();
        let mut outcome = Err(Errno::TimedOut);
        self.arrivals.wait_until_deadline(
            || match self.waiting.lock().take(most) {
                Err(Errno::Again) => process.is_ending(),
                taken => {
                    outcome = taken;
                    true
                }
            },
            deadline_ns,
        );
        self.room.wake_all();
        outcome
    }

    /// Lets a message be first again that whoever received it could not take.
    pub fn put_back(&self, message: Message) {
        self.waiting.lock().put_back(message);
        self.arrivals.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn message(priority: u32, byte: u8) -> Message {
        Message {
            priority,
            bytes: vec![byte],
        }
    }

    #[test]
    fn the_highest_priority_comes_first_and_within_one_the_oldest() {
        let mut waiting = Waiting::default();
        for (priority, byte) in [(3, 1), (0, 2), (31, 3), (3, 4), (31, 5), (0, 6)] {
            waiting.put(priority, vec![byte]).unwrap();
        }
        for (priority, byte) in [(31, 3), (31, 5), (3, 1), (3, 4), (0, 2), (0, 6)] {
            assert_eq!(waiting.take(1), Ok(message(priority, byte)));
        }
        assert_eq!(waiting.take(1), Err(Errno::Again));
        assert_eq!(waiting.count, 0);
    }

    #[test]
    fn a_message_that_does_not_fit_stays_first() {
        let mut waiting = Waiting::default();
        waiting.put(5, vec![1, 2, 3]).unwrap();
        waiting.put(5, vec![4]).unwrap();
        assert_eq!(waiting.take(2), Err(Errno::MsgSize));
        assert_eq!(waiting.count, 2);
        let first = waiting.take(3).unwrap();
        assert_eq!(first.bytes, [1, 2, 3]);
        waiting.put_back(first);
        assert_eq!(waiting.take(3).map(|message| message.bytes.len()), Ok(3));
        assert_eq!(waiting.take(3), Ok(message(5, 4)));
    }

    #[test]
    fn sizes_and_priorities_are_checked() {
        for (messages, bytes) in [
            (0, 1),
            (1, 0),
            (MOST_MESSAGES + 1, 1),
            (1, MOST_MESSAGE_BYTES + 1),
            (17, MOST_MESSAGE_BYTES),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(Queue::new(messages, bytes).err(), Some(Errno::Inval));
        }
        let queue = Queue::new(16, MOST_MESSAGE_BYTES).unwrap();
        assert_eq!(queue.check(MOST_MESSAGE_BYTES, 31), Ok(()));
        assert_eq!(queue.check(0, 0), Ok(()));
        assert_eq!(queue.check(0, 32), Err(Errno::Inval));
        assert_eq!(queue.check(0, u64::MAX), Err(Errno::Inval));
        let too_long = queue.check(MOST_MESSAGE_BYTES + 1, 0);
        assert_eq!(too_long, Err(Errno::MsgSize));
        assert_eq!(queue.check(u64::MAX, 0), Err(Errno::MsgSize));
    }
}
