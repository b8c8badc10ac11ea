//! Batches of frames in a program's pinned pages, as `abi::net` lays them out: [`Outgoing`] and
//! [`Incoming`].

use super::NetDevice;
use crate::drivers::Segment;
use abi::net::{FRAME_BYTES, LENGTH_BYTES, batch_bytes};
use abi::syscall::{Errno, IoMode};

const LONGEST: usize = *FRAME_BYTES.end();

/// Sends the frames in `from`, as far as they are whole; the bytes of those.
///
/// [`Errno::Inval`] for a length that no frame has, when none is before it.
pub fn send(device: &dyn NetDevice, from: &[Segment], mode: IoMode) -> Result<usize, Errno> {
    let mut frames = Outgoing(Cursor::new(from));
    let sent = device.send(&mut frames, mode);
    match (sent, frames.0.done()) {
        (Err(error), _) => Err(error),
        (Ok(()), 0) => Err(Errno::Inval),
        (Ok(()), done) => Ok(done),
    }
}

/// Takes frames into `to`: waits for the first, and takes others as long as there are some and room
/// for the longest; the bytes of the batch.
///
/// [`Errno::Inval`] without room for one.
pub fn receive(device: &dyn NetDevice, to: &[Segment], mode: IoMode) -> Result<usize, Errno> {
    let mut frames = Incoming(Cursor::new(to));
    if !frames.has_room() {
        return Err(Errno::Inval);
    }
    let received = device.receive(&mut frames, mode);
    match (received, frames.0.done()) {
        (Err(error), 0) => Err(error),
        (_, done) => Ok(done),
    }
}

/// Frames to be sent; it ends where something comes that is none.
pub struct Outgoing<'a>(Cursor<'a>);

impl Iterator for Outgoing<'_> {
    type Item = Pieces;

    #[inline]
    fn next(&mut self) -> Option<Pieces> {
        let length = usize::try_from(self.0.length()?.read32()).ok()?;
        let frame = FRAME_BYTES.contains(&length);
        let frame = frame.then(|| self.0.frame(length))??;
        self.0.advance(batch_bytes(length));
        Some(frame)
    }
}

/// Room for frames that have come.
pub struct Incoming<'a>(Cursor<'a>);

impl Incoming<'_> {
    /// Whether no frame has been taken.
    pub fn is_empty(&self) -> bool {
        self.0.done() == 0
    }

    /// Whether another frame fits, however long.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.0.left >= LENGTH_BYTES + LONGEST
    }

    /// Where the next frame goes, if there is room for it.
    pub fn room(&self) -> Option<Pieces> {
        self.0.frame(LONGEST)
    }

    /// Copies `piece` of a frame to `offset` of the room for the next, as far as it fits there.
    #[inline]
    pub fn copy(&self, offset: usize, piece: &Segment) {
        let len = piece.len().min(LONGEST.saturating_sub(offset));
        let start = self.0.offset + LENGTH_BYTES + offset;
        // Most frames cross no page.
        if let Some(segment) = self.0.segments.first()
            && start + len <= segment.len()
        {
            segment.part(start, len).copy_from(piece);
            return;
        }
        let Some(room) = self.0.frame(offset + len) else {
            return;
        };
        let (mut skip, mut copied) = (offset, 0);
        for segment in room.segments() {
            let into = segment.len().saturating_sub(skip);
            if into > 0 {
                let from = piece.part(copied, len - copied);
                copied += segment.part(skip, into).copy_from(&from);
            }
            skip = skip.saturating_sub(segment.len());
        }
    }

    /// The next frame has come, and is so long.
    #[inline]
    pub fn add(&mut self, bytes: usize) {
        let bytes = bytes.min(LONGEST);
        if let Some(length) = self.0.length() {
            // No more than a frame has.
            length.write32(bytes as u32);
        }
        self.0.advance(batch_bytes(bytes));
    }
}

/// A place in a batch: before the length of a frame, or at the end. All segments but the first and
/// the last are whole pages, and all but the last end where a length may be.
struct Cursor<'a> {
    /// The segment that the place is in, and those after it.
    segments: &'a [Segment],
    /// Offset in it.
    offset: usize,
    /// Bytes behind the place.
    left: usize,
    /// Bytes of the batch.
    total: usize,
}

/// Less than a page of a batch, as it is in memory.
pub struct Pieces {
    segments: [Segment; 2],
    count: usize,
}

impl Pieces {
    /// What there is of it.
    #[inline]
    pub fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }
}

impl<'a> Cursor<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        let total = segments.iter().map(Segment::len).sum();
        Self {
            segments,
            offset: 0,
            left: total,
            total,
        }
    }

    /// Bytes before the place.
    fn done(&self) -> usize {
        self.total - self.left
    }

    /// The length at the place.
    #[inline]
    fn length(&self) -> Option<Segment> {
        let segment = self.segments.first()?;
        (self.left >= LENGTH_BYTES).then(|| segment.part(self.offset, LENGTH_BYTES))
    }

    /// The `len` bytes behind the length, less than a page, if there are so many.
    #[inline]
    fn frame(&self, len: usize) -> Option<Pieces> {
        if self.left < LENGTH_BYTES + len {
            return None;
        }
        let (mut first, mut others) = self.segments.split_first()?;
        let mut start = self.offset + LENGTH_BYTES;
        if start >= first.len() {
            start -= first.len();
            (first, others) = others.split_first()?;
        }
        let room = first.len() - start;
        if len <= room {
            let one = first.part(start, len);
            let segments = [one, one];
            return Some(Pieces { segments, count: 1 });
        }
        let second = others.first().filter(|second| second.len() >= len - room)?;
        let segments = [first.part(start, room), second.part(0, len - room)];
        Some(Pieces { segments, count: 2 })
    }

    /// Goes on by `len` bytes, less than a page, or to the end.
    #[inline]
    fn advance(&mut self, len: usize) {
        let len = len.min(self.left);
        self.left -= len;
        self.offset += len;
        while let Some((first, others)) = self.segments.split_first()
            && self.offset >= first.len()
        {
            self.offset -= first.len();
            self.segments = others;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::PhysAddr;

    /// A batch of pages of which the first and the last are not whole.
    fn pages(lens: &[u32]) -> Vec<Segment> {
        let place = |(page, len): (u64, &u32)| Segment {
            phys: PhysAddr(0x10_0000 * (page + 1)),
            len: *len,
        };
        (0..).zip(lens).map(place).collect()
    }

    fn frame(cursor: &Cursor<'_>, len: usize) -> Vec<(u64, u32)> {
        let pieces = cursor.frame(len).unwrap();
        let segments = pieces.segments().iter();
        segments.map(|s| (s.phys.0, s.len)).collect()
    }

    #[test]
    fn frames_go_across_pages_and_nothing_is_left_out() {
        let pages = pages(&[8, 4096, 100]);
        let mut batch = Cursor::new(&pages);
        assert_eq!(batch.length().map(|s| s.phys.0), Some(0x10_0000));
        assert_eq!(frame(&batch, 1514), [(0x10_0004, 4), (0x20_0000, 1510)]);
        batch.advance(batch_bytes(1514));
        assert_eq!((batch.done(), batch.offset), (1520, 1512));
        assert_eq!(frame(&batch, 14), [(0x20_0000 + 1516, 14)]);
        assert_eq!(frame(&batch, 2584)[1], (0x30_0000, 4));
        batch.advance(2580);
        assert_eq!(frame(&batch, 100), [(0x30_0000, 100)]);
        assert_eq!(batch.length().map(|s| s.phys.0), Some(0x20_0000 + 4092));
        assert!(batch.frame(101).is_none());
    }

    #[test]
    fn what_is_beyond_the_end_is_not_taken() {
        let pages = pages(&[100, 50]);
        let mut batch = Cursor::new(&pages);
        assert!(batch.frame(147).is_none());
        assert_eq!(frame(&batch, 146).len(), 2);
        batch.advance(152);
        assert_eq!(batch.done(), 150, "nothing fills up the end");
        assert!(batch.length().is_none() && batch.frame(0).is_none());
        let mut batch = Cursor::new(&pages);
        batch.advance(148);
        assert!(batch.length().is_none(), "two bytes are left");
        assert!(Cursor::new(&[]).length().is_none());
    }

    #[test]
    fn room_is_for_the_longest_frame() {
        let has_room = |len| Incoming(Cursor::new(&pages(&[len]))).has_room();
        assert!(has_room(1518) && !has_room(1517));
    }
}
