//! The thread of a card: packets from the network into its ring, and those to the network that it
//! had no room for. It sleeps while the receiver is stopped or its ring is full.

use super::card::Card;
use crate::net::gate::{Gate, Interest};
use crate::virtio::worker::Work;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const NETWORK_READY: u32 = 0;
const WAKE: u32 = 1;
const PATIENCE_OVER: u32 = 2;

/// What the worker waits for.
pub(super) struct Sources {
    pub(super) network: RawFd,
    pub(super) wake: RawFd,
    pub(super) patience: RawFd,
}

pub(super) struct CardWork {
    card: Arc<Mutex<Card>>,
    gate: Gate,
}

impl CardWork {
    pub(super) fn new(card: Arc<Mutex<Card>>) -> io::Result<Self> {
        let network = lock(&card).sources().network;
        let gate = Gate::new(network)?;
        Ok(Self { card, gate })
    }
}

fn lock(card: &Mutex<Card>) -> MutexGuard<'_, Card> {
    card.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work for CardWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        let sources = lock(&self.card).sources();
        vec![
            (self.gate.fd(), NETWORK_READY),
            (sources.wake, WAKE),
            (sources.patience, PATIENCE_OVER),
        ]
    }

    fn on_ready(&mut self, token: u32) {
        let mut card = lock(&self.card);
        if token == PATIENCE_OVER {
            card.lose_patience();
        }
        let interest = card.work();
        if let Err(error) = self.gate.set(interest) {
            card.link_down(&error.into());
            // Nothing is waited for that could not be.
            let _ = self.gate.set(Interest::default());
        }
    }

    fn on_stop(&mut self) {
        lock(&self.card).flush();
    }
}
