//! The built-in guest's drivers of network cards: frames of all lengths come and go whole, also
//! when the guest looks so late that the card has run out of room, or shares memory with its driver.

use anyhow::{Result, bail, ensure};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tests::net::{Network, Peer};
use tests::{Scratch, TestVm, require_kvm};

/// More than any ring has room for.
const FRAMES: u8 = 150;
/// A program that looks late, and one whose frames are in memory that it shares with the driver.
const LATE: &str = "net_late";
const WINDOW: &str = "net_window";
/// Byte 14 of the last frame.
const LAST: u8 = 0xff;
/// How often the last frame is sent again: a card may have lost it.
const AGAIN: Duration = Duration::from_secs(1);
/// Where a frame before all others says for how many milliseconds the late program looks away.
const AWAY_AT: usize = 16;
/// Until rings in memory have long been full, and as long as a card without waits for room, and longer.
const AWAY_MS: u16 = 400;
const LONG_AWAY_MS: [u16; 3] = [1600, 6400, 25_600];
/// Lengths of frames, in turn.
const LENGTHS: [usize; 7] = [60, 1514, 61, 1001, 128, 129, 1513];

/// A frame to all stations; its number is in byte 14, and no two have the same payload.
fn frame(number: u8) -> Vec<u8> {
    let bytes = LENGTHS[usize::from(number) % LENGTHS.len()];
    let mark = if number + 1 == FRAMES { LAST } else { number };
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5, mark]);
    frame.extend((frame.len()..bytes).map(|at| (at as u8).wrapping_mul(3) ^ number));
    frame
}

/// Has the late program look away for so long.
fn look_away(peer: &mut Peer, away_ms: u16) -> Result<()> {
    let mut told = frame(0);
    told[AWAY_AT..][..2].copy_from_slice(&away_ms.to_le_bytes());
    peer.send(&told)?;
    ensure!(peer.receive()? == told, "the program was told otherwise");
    Ok(())
}

/// Sends the frames, the last again and again while `receive` takes what comes back.
fn send_while<T>(
    frames: &[Vec<u8>],
    peer: &mut Peer,
    receive: impl FnOnce(&mut Peer) -> Result<T>,
) -> Result<T> {
    let mut sender = Peer(peer.0.try_clone()?);
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || -> Result<()> {
            for frame in frames {
                sender.send(frame)?;
            }
            while is_over.recv_timeout(AGAIN) == Err(RecvTimeoutError::Timeout) {
                sender.send(&frames[frames.len() - 1])?;
            }
            Ok(())
        });
        let received = receive(peer);
        drop(over);
        received
    })
}

/// Frames that a guest's program sends back, the late one after so long; how many of them were lost.
fn come_back(program: &str, card: &str, transport: &str, away_ms: u16) -> Result<usize> {
    let scratch = Scratch::new()?;
    let path = scratch.path("socket");
    let network = Network::listen(&path)?;
    let swap = scratch.write("swap", &[0; 1 << 20])?;
    let vm = TestVm::builder()
        .arg("--suite")
        .arg("none")
        .append(&format!("init=bin/{program} swap=vda:0+2048"))
        .disk(&swap)
        .arg("--transport")
        .arg(transport)
        .arg("--net")
        .arg(format!("stream={},card={card}", path.display()))
        .boot()?;
    let mut peer = network.accept()?;
    let Ok(word) = peer.receive() else {
        bail!("{program}: {}", vm.wait()?.text());
    };
    ensure!(word.len() == 60, "{card}: the first word");
    if program == LATE {
        look_away(&mut peer, away_ms)?;
    }
    let sent: Vec<Vec<u8>> = (0..FRAMES).map(frame).collect();
    let lost = send_while(&sent, &mut peer, |peer| {
        let mut expected = sent.iter();
        let mut lost = 0;
        loop {
            let back = peer.receive()?;
            let skipped = expected.by_ref().take_while(|frame| **frame != back);
            lost += skipped.count();
            if back.get(14) == Some(&LAST) {
                return Ok(lost);
            }
            ensure!(
                !expected.as_slice().is_empty(),
                "{card}: a frame that was not sent"
            );
        }
    })?;
    let ended = vm.wait()?.expect(0)?;
    ensure!(ended.text().is_empty(), "{card}: {}", ended.text());
    Ok(lost)
}

fn nothing_is_lost(program: &str, card: &str, transport: &str) -> Result<()> {
    let lost = come_back(program, card, transport, AWAY_MS)?;
    ensure!(lost == 0, "{card}: {lost} frames were lost");
    Ok(())
}

/// On a busy host it may be a while until there is no room.
#[test]
fn an_ne2000_that_ran_out_of_room_loses_frames_and_goes_on() -> Result<()> {
    require_kvm!();
    for away_ms in LONG_AWAY_MS {
        if come_back(LATE, "ne2000", "pci", away_ms)? > 0 {
            return Ok(());
        }
    }
    bail!("it lost no frame in {LONG_AWAY_MS:?} ms")
}

#[test]
fn cards_with_rings_in_memory_lose_nothing() -> Result<()> {
    require_kvm!();
    nothing_is_lost(LATE, "e1000", "pci")?;
    nothing_is_lost(LATE, "virtio", "pci")?;
    nothing_is_lost(LATE, "virtio", "mmio")
}

/// Which the program first drives against the rules.
#[test]
fn by_the_window_of_a_card_nothing_is_lost_either() -> Result<()> {
    require_kvm!();
    nothing_is_lost(WINDOW, "virtio", "pci")?;
    nothing_is_lost(WINDOW, "virtio", "mmio")
}
