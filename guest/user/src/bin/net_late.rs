//! Says a word on the network, looks away until what comes has filled a card's memory, and sends
//! back all that it then finds, up to a frame that is marked as the last. For the tests:
//! `--suite none --append init=bin/net_late`, with a card of any kind.
#![no_std]
#![no_main]

use user::abi::syscall::{Errno, IoMode};
use user::net::{Card, Inbox, Outbox};
use user::println;
use user::start::Args;
use user::sys;
use user::time::MS;

user::program!(main);

const CARDS: [&str; 3] = ["/dev/eth-ne2000", "/dev/eth-e1000", "/dev/eth-virtio"];
const AWAY_NS: u64 = 400 * MS;
/// Byte 14 of the last frame.
const LAST: u8 = 0xff;
/// To all, of no kind in particular.
const WORD: [u8; 60] = {
    let mut frame = [0; 60];
    let mut at = 0;
    while at < 6 {
        frame[at] = 0xff;
        at += 1;
    }
    frame
};

fn send_back(card: &Card) -> Result<(), Errno> {
    let (mut inbox, mut outbox) = (Inbox::new(32), Outbox::new());
    let word = outbox.add(WORD.len()).ok_or(Errno::Inval)?;
    word.copy_from_slice(&WORD);
    card.send(&mut outbox)?;
    sys::sleep(AWAY_NS)?;
    let mut is_over = false;
    while !is_over {
        card.receive(&mut inbox)?;
        for frame in inbox.frames() {
            let copy = outbox.add(frame.len()).ok_or(Errno::Inval)?;
            copy.copy_from_slice(frame);
            is_over |= frame.get(14) == Some(&LAST);
        }
        card.send(&mut outbox)?;
    }
    Ok(())
}

fn main(_args: Args) -> i32 {
    let mut cards = CARDS.iter().filter_map(|path| {
        let card = Card::open(path, IoMode::Interrupt).ok()?;
        Some((path, card))
    });
    let Some((path, card)) = cards.next() else {
        println!("no card");
        return 1;
    };
    match send_back(&card) {
        Ok(()) => 0,
        Err(errno) => {
            println!("{path}: {errno:?}");
            1
        }
    }
}
