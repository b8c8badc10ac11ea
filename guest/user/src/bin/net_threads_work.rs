//! Work of `hostel compare`: frames to the peer of a network card and back, by a thread for each
//! processor, for so long.
//!
//! Arguments: number of the measurement, card, `interrupt`, `poll` or `window`, `one` (all threads take
//! turns at it) or `each` (each has a pair of its queues; absent if it has but one), bytes of a frame,
//! frames of a batch, milliseconds. Every byte of every frame that comes back is looked at.
#![no_std]
#![no_main]

use user::abi::metric::ABSENT;
use user::abi::peer::{ADDRESS, HEADER_BYTES, Header, Opcode};
use user::abi::syscall::Errno;
use user::alloc::format;
use user::alloc::string::String;
use user::alloc::sync::Arc;
use user::alloc::vec;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::net::{Link, report};
use user::sync::Mutex;
use user::team::{self, Part};
use user::time::{now_ns, tsc};
use user::work::Done;
use user::{ensure, sys};

user::check!(run);

/// Frames to the peer and back by one pair of queues.
struct Flow {
    link: Link,
    bytes: usize,
    batch: u32,
    /// Number of the next frame.
    sequence: u32,
}

impl Flow {
    fn open(path: &str, way: &str, bytes: usize, batch: u32) -> Result<Self, Errno> {
        let link = Link::open(path, way, batch as usize)?;
        Ok(Self {
            link,
            bytes,
            batch,
            sequence: 0,
        })
    }

    /// Sends a batch.
    fn send(&mut self) -> Verdict {
        for frame in 0..self.batch {
            let header = Header {
                destination: ADDRESS,
                source: self.link.card().address(),
                opcode: Opcode::Echo,
                sequence: self.sequence.wrapping_add(frame),
                count: 0,
                argument: 0,
            };
            let frame = self.link.add(self.bytes);
            header.write(frame.ok_or("a batch that is too long")?);
        }
        self.link.send().context("sending")
    }

    /// Takes what has come back, which are the next.
    fn take(&mut self) -> Verdict {
        let (next, bytes) = (&mut self.sequence, self.bytes);
        self.link.exchange().context("waiting for frames")?;
        self.link.for_each(|frame| {
            let header = Header::read(frame).ok_or("a frame that is no message has come")?;
            let what = (header.opcode, header.sequence, frame.len());
            let is_next = what == (Opcode::Echoed, *next, bytes);
            ensure!(
                is_next && header.is_whole(frame),
                "{what:?} has come, not {next}"
            );
            *next = next.wrapping_add(1);
            Ok(())
        })
    }

    /// A batch, there and back.
    fn operate(&mut self) -> Verdict {
        let end = self.sequence.wrapping_add(self.batch);
        self.send()?;
        while self.sequence != end {
            self.take()?;
        }
        Ok(())
    }
}

/// What a thread does: batches by its flow, or by one that is not its own alone.
struct Member(Arc<Mutex<Flow>>);

impl Part for Member {
    fn prepare(&mut self) -> Result<Done, Failure> {
        let mut flow = self.0.lock();
        flow.operate()?;
        Done::none(Some(flow.bytes as u64))
    }

    fn work_until(&mut self, end_ns: u64, done: &mut Done) -> Verdict {
        while done.operations == 0 || now_ns() < end_ns {
            let start = tsc();
            let mut flow = self.0.lock();
            flow.operate()?;
            done.count(flow.batch.into(), tsc().saturating_sub(start));
        }
        Ok(())
    }
}

/// Where the card is, or each pair of its queues, of so many at most.
fn paths(card: &str, which: &str, most: u64) -> Option<Vec<String>> {
    let first = format!("/dev/{card}");
    let others = (1..most).map(|pair| format!("{first}-{pair}"));
    match which {
        "one" => Some(vec![first]),
        "each" => Some(core::iter::once(first.clone()).chain(others).collect()),
        _ => None,
    }
}

fn run(check: &mut Check) -> Verdict {
    const NONE: &str = "arguments that are no work";
    let threads = sys::sys_info().context("sysinfo")?.cpus.max(1);
    let (card, way) = check.arg(1).zip(check.arg(2)).ok_or(NONE)?;
    let which = check.arg(3).ok_or(NONE)?;
    let number = |index| check.arg(index).and_then(|text| text.parse::<u32>().ok());
    let (bytes, batch) = number(4).zip(number(5)).ok_or(NONE)?;
    let bytes = bytes as usize;
    ensure!(bytes >= HEADER_BYTES && batch > 0, "{NONE}");
    let ms = check.number(6).ok_or(NONE)?;
    let mut flows = Vec::new();
    for path in paths(card, which, threads).ok_or(NONE)? {
        match Flow::open(&path, way, bytes, batch) {
            Err(Errno::NoEnt) if !flows.is_empty() => break,
            opened => flows.push(opened.context(&path)?),
        }
    }
    if which == "each" && flows.len() == 1 {
        check.metric(ABSENT, 1);
        return Ok(());
    }
    // What a run that failed has left is none of this one's.
    for flow in &mut flows {
        report(&mut flow.link, 0, |_| Ok(()))?;
    }
    let flows = flows.into_iter().map(|flow| Arc::new(Mutex::new(flow)));
    let flows: Vec<_> = flows.collect();
    let flows = flows.iter().cycle().take(threads as usize);
    let members = flows.map(|flow| Member(Arc::clone(flow))).collect();
    let none = Done::none(Some(bytes as u64))?;
    team::run(check, ms, members, none)
}
