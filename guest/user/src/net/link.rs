//! [`Link`]: frames to a card and from it, in whichever way.

use super::{Card, Inbox, Outbox, Window};
use crate::check::Verdict;
use abi::syscall::{Errno, IoMode};

/// How frames come to the card and from it.
pub enum Link {
    /// A batch a system call, which copies.
    Files(Card, Outbox, Inbox),
    /// In memory that is shared, so many pieces a system call.
    Window(Window, usize),
}

impl Link {
    /// To the card at `path`, by `interrupt`, `poll` or `window`, and room for so many frames that
    /// come at once.
    pub fn open(path: &str, way: &str, frames: usize) -> Result<Self, Errno> {
        let (mode, in_window) = match way {
            "interrupt" => (IoMode::Interrupt, false),
            "poll" => (IoMode::Poll, false),
            "window" => (IoMode::Interrupt, true),
            _ => return Err(Errno::Inval),
        };
        let card = Card::open(path, mode)?;
        Ok(match in_window {
            false => Self::Files(card, Outbox::new(), Inbox::new(frames)),
            true => Self::Window(Window::open(card)?, frames),
        })
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
        match self {
            Self::Files(_, _, inbox) => inbox.frames().try_for_each(each),
            Self::Window(window, _) => window.for_each(|_, frame| each(frame)),
        }
    }
}
