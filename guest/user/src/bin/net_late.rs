//! Says a word on the network, is told in a frame how long to look away, says that frame again and
//! looks away: what comes meanwhile may fill a card's memory. Then sends back all that it finds, up
//! to a frame that is marked as the last. For the tests: `--suite none --append init=bin/net_late`,
//! with a card of any kind.
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
/// Bytes of a frame that say how many milliseconds to look away.
const AWAY_MS: core::ops::Range<usize> = 16..18;
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
    card.receive(&mut inbox)?;
    let told = inbox.frames().next().ok_or(Errno::Inval)?;
    let away_ms = told.get(AWAY_MS).ok_or(Errno::Inval)?;
    let away_ms = u64::from(away_ms[0]) | u64::from(away_ms[1]) << 8;
    let copy = outbox.add(told.len()).ok_or(Errno::Inval)?;
    copy.copy_from_slice(told);
    card.send(&mut outbox)?;
    sys::sleep(away_ms * MS)?;
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
