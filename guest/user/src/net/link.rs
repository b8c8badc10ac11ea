//! [`Link`]: frames to a card and from it, in whichever way.

use super::{Card, Frames, Inbox, Outbox, Window};
use crate::check::Verdict;
use abi::net_header::NetHeader;
use abi::syscall::{Errno, IoMode};

/// How frames come to the card and from it.
pub enum Link {
    /// A batch a system call, which copies.
    Files(Card, Outbox, Inbox),
    /// In memory that is shared, so many pieces a system call.
    Window(Window, usize),
}

impl Link {
    /// To the card at `path`, by `interrupt`, `poll`, `window` or `offload` (a window with frames that
    /// come as they were sent), and room for so many frames that come at once.
    pub fn open(path: &str, way: &str, frames: usize) -> Result<Self, Errno> {
        let (mode, in_window) = match way {
            "interrupt" => (IoMode::Interrupt, None),
            "poll" => (IoMode::Poll, None),
            "window" => (IoMode::Interrupt, Some(Frames::AsOnWire)),
            "offload" => (IoMode::Interrupt, Some(Frames::AsSent)),
            _ => return Err(Errno::Inval),
        };
        let card = Card::open(path, mode)?;
        let Some(taken) = in_window else {
            return Ok(Self::Files(card, Outbox::new(), Inbox::new(frames)));
        };
        let window = Window::open(card)?;
        window.take(taken)?;
        Ok(Self::Window(window, frames))
    }

    /// The card.
    pub fn card(&self) -> &Card {
        match self {
            Self::Files(card, ..) => card,
            Self::Window(window, _) => window.card(),
        }
    }

    /// Room for another frame to send.
    pub fn add(&mut self, bytes: usize) -> Option<&mut [u8]> {
        match self {
            Self::Files(_, outbox, _) => outbox.add(bytes),
            Self::Window(window, _) => window.add(bytes),
        }
    }

    /// Sends what was added.
    pub fn send(&mut self) -> Result<(), Errno> {
        match self {
            Self::Files(card, outbox, _) => card.send(outbox),
            Self::Window(window, _) => window.send(),
        }
    }

    /// Sends what was added, and waits for frames.
    pub fn exchange(&mut self) -> Result<(), Errno> {
        match self {
            Self::Files(card, outbox, inbox) => {
                if !outbox.is_empty() {
                    card.send(outbox)?;
                }
                card.receive(inbox)
            }
            Self::Window(window, most) => window.exchange(*most),
        }
    }

    /// Calls `each` with every frame that has come.
    pub fn for_each(&mut self, mut each: impl FnMut(&[u8]) -> Verdict) -> Verdict {
        self.for_each_with(|_, frame| each(frame))
    }

    /// Calls `each` with every frame that has come, and what is left to be done to it.
    pub fn for_each_with(&mut self, mut each: impl FnMut(&NetHeader, &[u8]) -> Verdict) -> Verdict {
        match self {
            Self::Files(_, _, inbox) => {
                let nothing = NetHeader::default();
                inbox.frames().try_for_each(|frame| each(&nothing, frame))
            }
            Self::Window(window, _) => window.for_each(each),
        }
    }
}
