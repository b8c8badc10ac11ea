//! Work of `hostel compare`: a stream of TCP to the peer of a network card, a piece of many segments
//! an operation, for so long.
//!
//! Arguments: number of the measurement, card, `interrupt`, `poll`, `window` or `offload`, bytes of a
//! piece, milliseconds. The program cuts pieces into segments and sums them up, or leaves both to the
//! card. The peer looks at every byte and every sum: what is lost, doubled or damaged is a failure.
#![no_std]
#![no_main]

use user::abi::peer::{ADDRESS, Header, Opcode};
use user::abi::peer_tcp::{CHECKSUM, HEADER_BYTES, MOST_BYTES, SEGMENT_BYTES, Segment, Sum, TCP};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::net::{Link, tcp_header};
use user::work::{self, Done};

user::check!(run);

/// Bytes of a message that is not of the stream.
const MESSAGE_BYTES: usize = 60;
/// Frames that come at once: answers only.
const ANSWERS: usize = 4;

struct Worker {
    link: Link,
    /// Whether the card cuts pieces and sums them up.
    offload: bool,
    piece_bytes: usize,
    /// Number of the stream's next byte.
    sequence: u32,
    /// Frames that were sent.
    frames: u32,
}

impl Worker {
    fn from_args(check: &Check) -> Result<Self, Failure> {
        const NONE: &str = "arguments that are no work";
        let path = format!("/dev/{}", check.arg(1).ok_or(NONE)?);
        let piece_bytes = check.arg(3).and_then(|text| text.parse().ok());
        let piece_bytes = piece_bytes.ok_or(NONE)?;
        ensure!((1..=MOST_BYTES).contains(&piece_bytes), "{NONE}");
        let (way, offload) = match check.arg(2).ok_or(NONE)? {
            "offload" => ("window", true),
            way => (way, false),
        };
        let link = Link::open(&path, way, ANSWERS).context(&path)?;
        if let (true, Link::Window(window, _)) = (offload, &link) {
            ensure!(window.segments_tcp(), "{path} cuts no TCP");
        }
        Ok(Self {
            link,
            offload,
            piece_bytes,
            sequence: 0,
            frames: 0,
        })
    }

    /// Adds a frame with so many of the stream's bytes; false if there is no room.
    fn add(&mut self, bytes: usize) -> bool {
        let segment = Segment {
            source: self.link.card().address(),
            sequence: self.sequence,
        };
        let frame_bytes = HEADER_BYTES + bytes;
        let (frame, sum) = match &mut self.link {
            Link::Window(window, _) if self.offload => {
                let headers = [HEADER_BYTES, SEGMENT_BYTES, TCP, CHECKSUM];
                let [headers, most, tcp, checksum] = headers.map(|field| field as u16);
                let header = tcp_header(headers, most, tcp, checksum);
                (window.add_with(frame_bytes, header), Sum::LeftOpen)
            }
            link => (link.add(frame_bytes), Sum::Whole),
        };
        let Some(frame) = frame else { return false };
        segment.write(frame, sum);
        self.sequence = self.sequence.wrapping_add(bytes as u32);
        self.frames = self.frames.wrapping_add(1);
        true
    }

    /// Sends a piece.
    fn operate(&mut self) -> Verdict {
        let most = match self.offload {
            true => self.piece_bytes,
            false => SEGMENT_BYTES,
        };
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

    /// Has the peer say how many frames of the stream have come as they should, and how many
    /// otherwise, and begin anew.
    fn report(&mut self) -> Result<(u32, u32), Failure> {
        let question = Header {
            destination: ADDRESS,
            source: self.link.card().address(),
            opcode: Opcode::Report,
            sequence: self.sequence,
            count: 0,
            argument: 0,
        };
        let frame = self
            .link
            .add(MESSAGE_BYTES)
            .ok_or("no room for a message")?;
        question.write(frame);
        let mut report = None;
        while report.is_none() {
            self.link.exchange().context("the report")?;
            self.link.for_each(|frame| {
                let header = Header::read(frame);
                let answer = header.filter(|header| {
                    (header.opcode, header.sequence) == (Opcode::Reported, question.sequence)
                });
                report = report.or(answer.map(|answer| (answer.count, answer.argument)));
                Ok(())
            })?;
        }
        self.sequence = 0;
        report.ok_or_else(|| "no report".into())
    }

    /// Sees that all that was sent has come.
    fn settle(&mut self) -> Verdict {
        let sent = core::mem::take(&mut self.frames);
        let (good, bad) = self.report()?;
        ensure!(
            (good, bad) == (sent, 0),
            "of {sent} frames {good} have come as they were sent, {bad} otherwise"
        );
        Ok(())
    }
}

fn run(check: &mut Check) -> Verdict {
    let mut worker = Worker::from_args(check)?;
    let ms = check
        .number(4)
        .ok_or("argument 4 is no number of milliseconds")?;
    // What a run that failed has left is none of this one's.
    worker.report()?;
    // Brings up what is brought up at first use.
    worker.operate()?;
    worker.settle()?;
    let none = Done::none(Some(worker.piece_bytes as u64))?;
    work::run_for(check, ms, none, |done| done.time(1, || worker.operate()))?;
    worker.settle()
}
