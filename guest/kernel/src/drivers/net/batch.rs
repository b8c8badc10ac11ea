//! Batches of frames in a program's pinned pages, as `abi::net` lays them out.

use super::NetDevice;
use crate::drivers::Segment;
use abi::net::{FRAME_BYTES, LENGTH_BYTES};
use abi::syscall::{Errno, IoMode};

const LONGEST: usize = *FRAME_BYTES.end();

/// Sends the frames in `from`, as far as they are whole; the bytes of those.
///
/// [`Errno::Inval`] for a length that no frame has, when none is before it.
pub fn send(device: &dyn NetDevice, from: &[Segment], mode: IoMode) -> Result<usize, Errno> {
    let mut batch = Cursor::new(from);
    let mut done = 0;
    let ended_by = loop {
        let Some(frame) = next_frame(&mut batch) else {
            break Errno::Inval;
        };
        match device.send(frame.segments(), mode) {
            Ok(()) => done = batch.at,
            Err(error) => break error,
        }
    };
    // Also after an error: what was sent is the card's until then.
    device.finish(mode)?;
    if done == 0 { Err(ended_by) } else { Ok(done) }
}

/// The next frame of a batch.
fn next_frame(batch: &mut Cursor<'_>) -> Option<Pieces> {
    let length = batch.take(LENGTH_BYTES)?.first().read32();
    let length = usize::try_from(length).ok()?;
    let frame = FRAME_BYTES.contains(&length).then(|| batch.take(length))?;
    batch.align();
    frame
}

/// Takes frames into `to`: waits for the first, and takes others as long as there are some and room
/// for the longest; the bytes of the batch.
///
/// [`Errno::Inval`] without room for one.
pub fn receive(device: &dyn NetDevice, to: &[Segment], mode: IoMode) -> Result<usize, Errno> {
    let mut batch = Cursor::new(to);
    let mut done = 0;
    let received = loop {
        let start = batch.clone();
        let (Some(length), Some(room)) = (batch.take(LENGTH_BYTES), batch.take(LONGEST)) else {
            break Err(Errno::Inval);
        };
        let bytes = match device.receive(room.segments(), done == 0, mode) {
            Ok(Some(bytes)) => bytes.min(LONGEST),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        // No more than a frame has.
        length.first().write32(bytes as u32);
        batch = start;
        batch.skip(LENGTH_BYTES + bytes);
        batch.align();
        done = batch.at;
    };
    match received {
        Err(error) if done == 0 => Err(error),
        _ => Ok(done),
    }
}

/// A place in a batch. All segments but the first and the last are whole pages.
#[derive(Clone)]
struct Cursor<'a> {
    /// The segment that the place is in, and those after it.
    segments: &'a [Segment],
    /// Offset in it.
    offset: usize,
    /// Offset in the batch.
    at: usize,
}

/// Less than a page of a batch: as it is in memory.
struct Pieces {
    segments: [Segment; 2],
    count: usize,
}

impl Pieces {
    fn first(&self) -> &Segment {
        &self.segments[0]
    }

    fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }
}

impl<'a> Cursor<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        Self {
            segments,
            offset: 0,
            at: 0,
        }
    }

    /// The next `len` bytes, at most a page and at least one, if there are so many.
    fn take(&mut self, len: usize) -> Option<Pieces> {
        let (first, others) = self.segments.split_first()?;
        let (start, left) = (self.offset, first.len() - self.offset);
        let one = first.part(start, left.min(len));
        let (two, count) = match len.checked_sub(left) {
            None | Some(0) => (one, 1),
            Some(rest) => {
                let second = others.first().filter(|second| second.len() >= rest)?;
                (second.part(0, rest), 2)
            }
        };
        self.skip(len);
        let segments = [one, two];
        Some(Pieces { segments, count })
    }

    /// Goes on by `len` bytes, at most a page.
    fn skip(&mut self, len: usize) {
        self.at += len;
        self.offset += len;
        while let Some((first, others)) = self.segments.split_first()
            && self.offset >= first.len()
        {
            self.offset -= first.len();
            self.segments = others;
        }
    }

    /// Goes on to where a length may be, or to the end.
    fn align(&mut self) {
        let filling = self.at.wrapping_neg() % LENGTH_BYTES;
        // Segments end where a length may be, but for the last.
        let left = self.segments.first().map_or(0, |s| s.len() - self.offset);
        self.skip(filling.min(left));
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

    fn taken(cursor: &mut Cursor<'_>, len: usize) -> Vec<(u64, u32)> {
        let pieces = cursor.take(len).unwrap();
        let segments = pieces.segments().iter();
        segments.map(|s| (s.phys.0, s.len)).collect()
    }

    #[test]
    fn frames_go_across_pages_and_nothing_is_left_out() {
        let pages = pages(&[8, 4096, 100]);
        let mut batch = Cursor::new(&pages);
        assert_eq!(taken(&mut batch, 4), [(0x10_0000, 4)]);
        assert_eq!(taken(&mut batch, 1514), [(0x10_0004, 4), (0x20_0000, 1510)]);
        batch.align();
        assert_eq!((batch.at, batch.offset), (1520, 1512));
        assert_eq!(taken(&mut batch, 2584), [(0x20_0000 + 1512, 2584)]);
        assert_eq!(taken(&mut batch, 100), [(0x30_0000, 100)]);
        assert!(batch.take(1).is_none(), "the end");
    }

    #[test]
    fn what_is_beyond_the_end_is_not_taken() {
        let pages = pages(&[100, 50]);
        let mut batch = Cursor::new(&pages);
        assert!(batch.take(151).is_none());
        assert_eq!(taken(&mut batch, 150).len(), 2);
        assert!(batch.take(4).is_none());
        batch.align();
        assert_eq!(batch.at, 150, "nothing fills up the end");
        let mut batch = Cursor::new(&pages);
        batch.skip(149);
        batch.align();
        assert_eq!(batch.at, 150, "as far as there is something");
        assert!(Cursor::new(&[]).take(4).is_none());
    }
}
