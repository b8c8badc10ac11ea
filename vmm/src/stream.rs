//! Takes records out of the guest's console stream.
//!
//! [`Splitter`] is fed bytes as they come and calls a [`Listener`] with text, with records (RFC
//! 7464), and with the raw bytes between a stream_begin and its stream_end record, which are
//! checked there and not shown. It holds back at most one unfinished record.

use abi::record::{LF, MAX_RECORD_BYTES, Parsed, RS, crc32};

/// What the stream is made of.
pub trait Listener {
    /// Bytes that are no record.
    fn text(&mut self, bytes: &[u8]);
    /// A record.
    fn record(&mut self, record: Parsed);
    /// A raw stream has ended, with what came of it.
    fn stream(&mut self, id: &str, received: Received);
}

/// What was received between a stream_begin and its stream_end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes announced.
    pub expected_bytes: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Whether their checksum is the announced one.
    pub crc_matches: bool,
}

impl Received {
    /// Whether everything came, unchanged.
    pub fn intact(self) -> bool {
        self.bytes == self.expected_bytes && self.crc_matches
    }
}

/// Raw bytes under way.
struct Raw {
    id: String,
    expected_bytes: u64,
    bytes: u64,
    crc32: u32,
}

/// Splits the stream.
pub struct Splitter<L> {
    listener: L,
    /// The record under way, RS included; empty outside of one.
    held: Vec<u8>,
    raw: Option<Raw>,
}

impl<L: Listener> Splitter<L> {
    /// A splitter at the start of a stream.
    pub fn new(listener: L) -> Self {
        Self {
            listener,
            held: Vec::new(),
            raw: None,
        }
    }

    /// The next bytes of the stream.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = if self.held.is_empty() { RS } else { LF };
            let at = bytes.iter().position(|byte| *byte == end);
            if self.held.is_empty() {
                let (outside, rest) = bytes.split_at(at.unwrap_or(bytes.len()));
                self.outside(outside);
                bytes = rest;
                if let Some((rs, rest)) = bytes.split_first() {
                    self.held.push(*rs);
                    bytes = rest;
                }
            } else {
                // One byte more than a record has tells that it is none.
                let room = MAX_RECORD_BYTES + 1 - self.held.len();
                let len = at.map_or(bytes.len(), |at| at + 1).min(room);
                let (inside, rest) = bytes.split_at(len);
                self.held.extend(inside);
                bytes = rest;
                if inside.last() == Some(&LF) || self.held.len() > MAX_RECORD_BYTES {
                    self.record_ends();
                }
            }
        }
    }

    /// The stream has ended: what is held back is text after all.
    pub fn finish(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.outside(&held);
    }

    fn outside(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.raw {
            Some(raw) => {
                raw.bytes += bytes.len() as u64;
                raw.crc32 = crc32(raw.crc32, bytes);
            }
            None => self.listener.text(bytes),
        }
    }

    fn record_ends(&mut self) {
        let held = std::mem::take(&mut self.held);
        let json = held.strip_prefix(&[RS]).unwrap_or(&held);
        if held.len() > MAX_RECORD_BYTES {
            return self.outside(&held);
        }
        match Parsed::from_json(json) {
            Ok(Parsed::StreamBegin { id, bytes }) => {
                self.raw = Some(Raw {
                    id,
                    expected_bytes: bytes,
                    bytes: 0,
                    crc32: 0,
                });
            }
            Ok(Parsed::StreamEnd { id, crc32 }) => {
                if let Some(raw) = self.raw.take_if(|raw| raw.id == id) {
                    let received = Received {
                        expected_bytes: raw.expected_bytes,
                        bytes: raw.bytes,
                        crc_matches: raw.crc32 == crc32,
                    };
                    self.listener.stream(&id, received);
                }
            }
            Ok(record) => self.listener.record(record),
            Err(_) => self.outside(&held),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::record::Record;

    #[derive(Default)]
    struct Heard {
        text: Vec<u8>,
        records: Vec<Parsed>,
        streams: Vec<(String, Received)>,
    }

    impl Listener for Heard {
        fn text(&mut self, bytes: &[u8]) {
            self.text.extend(bytes);
        }
        fn record(&mut self, record: Parsed) {
            self.records.push(record);
        }
        fn stream(&mut self, id: &str, received: Received) {
            self.streams.push((id.to_owned(), received));
        }
    }

    /// What is heard of `stream` when it comes in pieces of `size` bytes.
    fn hear(stream: &[u8], size: usize) -> Heard {
        let mut splitter = Splitter::new(Heard::default());
        stream.chunks(size).for_each(|piece| splitter.feed(piece));
        splitter.finish();
        splitter.listener
    }

    #[test]
    fn records_are_taken_out_however_the_stream_is_cut() {
        let record = Record::Start { id: "a" }.to_string();
        let stream = format!("hello\n{record}wor{record}ld");
        for size in 1..stream.len() {
            let heard = hear(stream.as_bytes(), size);
            assert_eq!(heard.text, b"hello\nworld", "pieces of {size}");
            assert_eq!(heard.records.len(), 2, "pieces of {size}");
        }
    }

    #[test]
    fn raw_bytes_are_checked_and_not_shown() {
        let raw = [b'x'; 1000];
        let stream = |sent: &[u8], crc32| {
            let begin = Record::StreamBegin {
                id: "c",
                bytes: 1000,
            }
            .to_string();
            let end = Record::StreamEnd { id: "c", crc32 }.to_string();
            [begin.as_bytes(), sent, end.as_bytes(), b"after"].concat()
        };
        let crc = crc32(0, &raw);
        let heard = hear(&stream(&raw, crc), 64);
        assert!(heard.streams[0].1.intact());
        assert_eq!(heard.text, b"after");
        assert!(!hear(&stream(&raw[1..], crc), 64).streams[0].1.intact());
        assert!(!hear(&stream(&raw, crc ^ 1), 64).streams[0].1.intact());
    }

    #[test]
    fn a_record_that_is_too_long_is_text_however_the_stream_is_cut() {
        let id = "x".repeat(MAX_RECORD_BYTES);
        let stream = Record::Start { id: &id }.to_string();
        for size in [100, MAX_RECORD_BYTES, stream.len()] {
            let heard = hear(stream.as_bytes(), size);
            assert_eq!(heard.text, stream.as_bytes(), "pieces of {size}");
            assert!(heard.records.is_empty(), "pieces of {size}");
        }
    }

    #[test]
    fn what_only_looks_like_a_record_is_text() {
        let long = [&[RS][..], &[b'a'; MAX_RECORD_BYTES + 10]].concat();
        for stream in [
            &b"\x1enot json\n"[..],
            b"\x1e{\"type\":\"unknown\"}\n",
            b"\x1e{",
            &long,
        ] {
            let heard = hear(stream, 7);
            assert_eq!(heard.text, stream);
            assert!(heard.records.is_empty());
        }
    }
}
