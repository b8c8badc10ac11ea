//! Work of `hostel compare`: frames to and from the peer of a network card, for so long.
//!
//! Arguments: number of the measurement, card, `interrupt`, `poll` or `window`, `roundtrip`, `send`
//! or `receive`, bytes of a frame, frames of a batch, milliseconds. Every byte is looked at here and by
//! the peer, and every frame has its number: one that is lost, doubled or damaged is a failure.
#![no_std]
#![no_main]

use user::abi::net::FRAME_BYTES;
use user::abi::peer::{ADDRESS, HEADER_BYTES, Header, Opcode};
use user::abi::syscall::Errno;
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::net::{Card, Link, MESSAGE_BYTES, report};
use user::sys;
use user::time::tsc;
use user::work::{self, Done};

user::check!(run);

/// Batches of a stream from the peer that are on their way at once.
const BATCHES_AHEAD: u32 = 2;

#[derive(Clone, Copy)]
enum Pattern {
    RoundTrip,
    Send,
    Receive,
}

struct Worker {
    link: Link,
    pattern: Pattern,
    bytes: usize,
    batch: u32,
    /// Number of the next frame of load.
    sequence: u32,
    /// Number of the next that the peer has not been asked for.
    asked: u32,
}

impl Worker {
    fn from_args(check: &Check) -> Result<Self, Failure> {
        const NONE: &str = "arguments that are no work";
        let number = |index| check.arg(index).and_then(|text| text.parse::<u32>().ok());
        let (bytes, batch) = number(4).zip(number(5)).ok_or(NONE)?;
        let bytes = usize::try_from(bytes).map_err(|_| Failure::from(NONE))?;
        ensure!(bytes >= HEADER_BYTES && batch > 0, "{NONE}");
        let pattern = match check.arg(3) {
            Some("roundtrip") => Pattern::RoundTrip,
            Some("send") => Pattern::Send,
            Some("receive") => Pattern::Receive,
            _ => return Err(NONE.into()),
        };
        let path = format!("/dev/{}", check.arg(1).ok_or(NONE)?);
        let way = check.arg(2).ok_or(NONE)?;
        let link = Link::open(&path, way, batch as usize).context(&path)?;
        refuses_nonsense(link.card())?;
        Ok(Self {
            link,
            pattern,
            bytes,
            batch,
            sequence: 0,
            asked: 0,
        })
    }

    /// Puts a message into the outbox.
    fn say(&mut self, opcode: Opcode, sequence: u32, bytes: usize) -> Verdict {
        let header = Header {
            destination: ADDRESS,
            source: self.link.card().address(),
            opcode,
            sequence,
            count: self.batch,
            argument: self.bytes as u32,
        };
        let frame = self.link.add(bytes).ok_or("a batch that is too long")?;
        header.write(frame);
        Ok(())
    }

    fn send(&mut self) -> Verdict {
        self.link.send().context("sending")
    }

    /// Sends what was said, waits for frames, each of which is `expected`, of `bytes`, and the next; their number.
    fn receive(&mut self, expected: Opcode, first: u32, bytes: usize) -> Result<u32, Failure> {
        let received = self.link.exchange();
        received.map_err(|errno| Failure(format!("waiting for frame {first}: {errno:?}")))?;
        let mut next = first;
        self.link.for_each(|frame| {
            let header = Header::read(frame).ok_or("a frame that is no message has come")?;
            let what = (header.opcode, header.sequence, frame.len());
            ensure!(
                what == (expected, next, bytes),
                "{what:?} has come, not {:?}",
                (expected, next, bytes)
            );
            ensure!(header.is_whole(frame), "frame {next} is damaged");
            next = next.wrapping_add(1);
            Ok(())
        })?;
        Ok(next.wrapping_sub(first))
    }

    /// One batch, or as much of one as has come; the number of frames.
    fn operate(&mut self) -> Result<u32, Failure> {
        let frames = match self.pattern {
            Pattern::RoundTrip => {
                self.say(Opcode::Echo, self.sequence, self.bytes)?;
                self.receive(Opcode::Echoed, self.sequence, self.bytes)?
            }
            Pattern::Send => {
                for frame in 0..self.batch {
                    self.say(Opcode::Sink, self.sequence.wrapping_add(frame), self.bytes)?;
                }
                self.send()?;
                self.batch
            }
            Pattern::Receive => {
                let ahead = self.asked.wrapping_sub(self.sequence);
                if ahead <= self.batch * (BATCHES_AHEAD - 1) {
                    self.ask()?;
                }
                self.receive(Opcode::Data, self.sequence, self.bytes)?
            }
        };
        self.sequence = self.sequence.wrapping_add(frames);
        Ok(frames)
    }

    /// Asks for another batch of the peer's stream.
    fn ask(&mut self) -> Verdict {
        self.say(Opcode::Source, self.asked, MESSAGE_BYTES)?;
        self.asked = self.asked.wrapping_add(self.batch);
        Ok(())
    }

    /// Takes what is still on its way, and sees that all that was sent has come.
    fn settle(&mut self) -> Verdict {
        if let Pattern::Receive = self.pattern {
            while self.sequence != self.asked {
                let frames = self.receive(Opcode::Data, self.sequence, self.bytes)?;
                self.sequence = self.sequence.wrapping_add(frames);
            }
        }
        let sent = match self.pattern {
            Pattern::Send => self.sequence,
            Pattern::RoundTrip | Pattern::Receive => 0,
        };
        let (good, bad) = report(&mut self.link, self.sequence, |frame| {
            let header = Header::read(frame);
            Err(Failure(format!("{header:?} has come, and is one too many")))
        })?;
        ensure!(
            (good, bad) == (sent, 0),
            "of {sent} frames {good} have come as they were sent, {bad} otherwise"
        );
        (self.sequence, self.asked) = (0, 0);
        Ok(())
    }
}

/// Batches that are none: the kernel refuses them, and takes no frame for them.
fn refuses_nonsense(card: &Card) -> Verdict {
    let mut bytes = vec![0_u8; 2 * FRAME_BYTES.end()];
    let shortest = *FRAME_BYTES.start() as u32;
    let longest = *FRAME_BYTES.end() as u32;
    for length in [0, shortest - 1, longest + 1, u32::MAX] {
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        let written = card.file().write(&bytes);
        ensure!(written == Err(Errno::Inval), "length {length}: {written:?}");
    }
    bytes[..4].copy_from_slice(&shortest.to_le_bytes());
    for (what, range) in [
        ("half a length", 0..3),
        ("a frame that is cut off", 0..17),
        ("a place of its own", 1..100),
    ] {
        let written = card.file().write(&bytes[range]);
        ensure!(written == Err(Errno::Inval), "{what}: {written:?}");
    }
    for (what, range) in [("no room", 0..1517), ("a place of its own", 2..2000)] {
        let read = card.file().read(&mut bytes[range]);
        ensure!(read == Err(Errno::Inval), "{what}: {read:?}");
    }
    let nowhere = sys::write_wild(card.file().fd(), 1 << 40, 100);
    ensure!(nowhere == Err(Errno::Fault), "no memory: {nowhere:?}");
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let mut worker = Worker::from_args(check)?;
    let ms = check
        .number(6)
        .ok_or("argument 6 is no number of milliseconds")?;
    // What a run that failed has left is none of this one's.
    report(&mut worker.link, 0, |_| Ok(()))?;
    // Brings up what is brought up at first use.
    worker.operate()?;
    worker.settle()?;
    let none = Done::none(Some(worker.bytes as u64))?;
    work::run_for(check, ms, none, |done| {
        let start = tsc();
        let frames = u64::from(worker.operate()?);
        done.count(frames, tsc().saturating_sub(start));
        Ok(())
    })?;
    worker.settle()
}
