//! Work of `hostel compare`: a stream of TCP to the peer of a network card, or from it, a piece of many
//! segments an operation, for so long.
//!
//! Arguments: number of the measurement, card, `interrupt`, `poll`, `window` or `offload`, `send` or
//! `receive`, bytes of a piece, milliseconds. Out, the program cuts pieces into segments and sums them
//! up, or leaves both to the card; in, the peer does, or the card takes pieces as they are. Whoever
//! takes a frame looks at every byte and every sum: what is lost, doubled or damaged is a failure.
#![no_std]
#![no_main]

use user::abi::net_header::NetHeader;
use user::abi::net_window::MOST_RECEIVED;
use user::abi::peer::{ADDRESS, Header, Opcode};
use user::abi::peer_tcp::{CHECKSUM, HEADER_BYTES, MOST_BYTES, SEGMENT_BYTES, Segment, Sum, TCP};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::net::{Link, MESSAGE_BYTES, report};
use user::time::tsc;
use user::work::{self, Done};

user::check!(run);

/// Pieces that the peer is asked for at once, whole or cut, and how often it is ahead: no more than a
/// card with memory for a few frames has the time for.
const WHOLE_BATCH: u32 = 4;
const CUT_BATCH: u32 = 1;
const BATCHES_AHEAD: u64 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Send,
    Receive,
}

struct Worker {
    link: Link,
    pattern: Pattern,
    /// Whether the card cuts pieces and sums them up, or leaves them as they are.
    offload: bool,
    piece_bytes: usize,
    /// Number of the stream's next byte, of which frames carry the low half.
    sequence: u64,
    /// Number of the next that the peer has not been asked for.
    asked: u64,
    /// Frames that were sent.
    frames: u32,
}

impl Worker {
    fn from_args(check: &Check) -> Result<Self, Failure> {
        const NONE: &str = "arguments that are no work";
        let path = format!("/dev/{}", check.arg(1).ok_or(NONE)?);
        let way = check.arg(2).ok_or(NONE)?;
        let pattern = match check.arg(3) {
            Some("send") => Pattern::Send,
            Some("receive") => Pattern::Receive,
            _ => return Err(NONE.into()),
        };
        let piece_bytes = check.arg(4).and_then(|text| text.parse().ok());
        let piece_bytes = piece_bytes.ok_or(NONE)?;
        ensure!((1..=MOST_BYTES).contains(&piece_bytes), "{NONE}");
        let link = Link::open(&path, way, MOST_RECEIVED).context(&path)?;
        let offload = way == "offload";
        if let (true, Link::Window(window, _)) = (offload, &link) {
            ensure!(window.segments_tcp(), "{path} cuts no TCP");
        }
        Ok(Self {
            link,
            pattern,
            offload,
            piece_bytes,
            sequence: 0,
            asked: 0,
            frames: 0,
        })
    }

    /// Adds a frame with so many of the stream's bytes; false if there is no room.
    fn add(&mut self, bytes: usize) -> bool {
        let segment = Segment {
            destination: ADDRESS,
            source: self.link.card().address(),
            sequence: self.sequence as u32,
        };
        let frame_bytes = HEADER_BYTES + bytes;
        let (frame, sum) = match &mut self.link {
            Link::Window(window, _) if self.offload => {
                let headers = [HEADER_BYTES, SEGMENT_BYTES, TCP, CHECKSUM];
                let [headers, most, tcp, checksum] = headers.map(|field| field as u16);
                let header = NetHeader::tcp4(headers, most, tcp, checksum);
                (window.add_with(frame_bytes, header), Sum::LeftOpen)
            }
            link => (link.add(frame_bytes), Sum::Whole),
        };
        let Some(frame) = frame else { return false };
        segment.write(frame, sum);
        self.sequence += bytes as u64;
        self.frames = self.frames.wrapping_add(1);
        true
    }

    /// Most bytes of a piece in a frame.
    fn most(&self) -> usize {
        match self.offload {
            true => self.piece_bytes,
            false => SEGMENT_BYTES,
        }
    }

    /// Sends a piece.
    fn send(&mut self) -> Verdict {
        let most = self.most();
        let mut left = self.piece_bytes;
        while left > 0 {
            let bytes = left.min(most);
            if !self.add(bytes) {
                self.link.send().context("sending")?;
                ensure!(self.add(bytes), "no room for {bytes} bytes");
            }
            left -= bytes;
        }
        self.link.send().context("sending")
    }

    fn batch(&self) -> u32 {
        match self.offload {
            true => WHOLE_BATCH,
            false => CUT_BATCH,
        }
    }

    fn batch_bytes(&self) -> u64 {
        u64::from(self.batch()) * self.piece_bytes as u64
    }

    /// Asks for more of the peer's stream.
    fn ask(&mut self) -> Verdict {
        let question = Header {
            destination: ADDRESS,
            source: self.link.card().address(),
            opcode: Opcode::Stream,
            sequence: self.asked as u32,
            count: self.batch(),
            argument: self.piece_bytes as u32,
        };
        let message = self.link.add(MESSAGE_BYTES);
        question.write(message.ok_or("no room for a message")?);
        self.asked += self.batch_bytes();
        Ok(())
    }

    /// Sends what was said, and takes what comes of the stream.
    fn take(&mut self) -> Verdict {
        let own = self.link.card().address();
        let most = self.most();
        let next = &mut self.sequence;
        self.link.exchange().context("waiting for the stream")?;
        self.link.for_each_with(|header, frame| {
            let sum = header.sum(frame.len(), TCP as u16, CHECKSUM as u16);
            let sum = sum.map_err(|_| Failure(format!("byte {next} is behind {header:?}")))?;
            let segment = Segment::read(frame, own, sum);
            let expected = Segment {
                destination: own,
                source: ADDRESS,
                sequence: *next as u32,
            };
            ensure!(
                segment == Some(Ok(expected)),
                "{segment:?} of {} bytes has come, not byte {next}",
                frame.len()
            );
            let bytes = frame.len() - HEADER_BYTES;
            let left = self.piece_bytes - (*next % self.piece_bytes as u64) as usize;
            ensure!(bytes == left.min(most), "{bytes} bytes of {left} have come");
            *next += bytes as u64;
            Ok(())
        })
    }

    /// Takes pieces, at least one; how many have come whole.
    fn receive(&mut self) -> Result<u64, Failure> {
        let piece_bytes = self.piece_bytes as u64;
        let whole = self.sequence / piece_bytes;
        loop {
            let ahead = self.asked - self.sequence;
            if ahead <= self.batch_bytes() * (BATCHES_AHEAD - 1) {
                self.ask()?;
            }
            self.take()?;
            match self.sequence / piece_bytes - whole {
                0 => {}
                pieces => return Ok(pieces),
            }
        }
    }

    /// Moves a piece, or several that come together; their number.
    fn operate(&mut self) -> Result<u64, Failure> {
        match self.pattern {
            Pattern::Send => self.send().map(|()| 1),
            Pattern::Receive => self.receive(),
        }
    }

    /// Takes what is still on its way, and sees that all that was sent has come.
    fn settle(&mut self) -> Verdict {
        while self.pattern == Pattern::Receive && self.sequence != self.asked {
            self.take()?;
        }
        let sent = core::mem::take(&mut self.frames);
        let (good, bad) = report(&mut self.link, self.sequence as u32, |frame| {
            Err(Failure(format!("{} bytes are too many", frame.len())))
        })?;
        ensure!(
            (good, bad) == (sent, 0),
            "of {sent} frames {good} have come as they were sent, {bad} otherwise"
        );
        (self.sequence, self.asked) = (0, 0);
        Ok(())
    }
}

fn run(check: &mut Check) -> Verdict {
    let mut worker = Worker::from_args(check)?;
    let ms = check
        .number(5)
        .ok_or("argument 5 is no number of milliseconds")?;
    // What a run that failed has left is none of this one's.
    report(&mut worker.link, 0, |_| Ok(()))?;
    // Brings up what is brought up at first use.
    worker.operate()?;
    worker.settle()?;
    let none = Done::none(Some(worker.piece_bytes as u64))?;
    work::run_for(check, ms, none, |done| {
        let start = tsc();
        let pieces = worker.operate()?;
        done.count(pieces, tsc().saturating_sub(start));
        Ok(())
    })?;
    worker.settle()
}
