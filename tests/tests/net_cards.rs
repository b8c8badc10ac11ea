//! The built-in guest's drivers of network cards: frames of all lengths come and go whole, also
//! when the guest looks so late that the card has run out of room, or shares memory with its driver.

use anyhow::{Result, bail, ensure};
use std::ops::RangeInclusive;
use tests::net::Network;
use tests::{Scratch, TestVm, require_kvm};

/// More than any ring has room for.
const FRAMES: u8 = 150;
/// A program that looks late, and one whose frames are in memory that it shares with the driver.
const LATE: &str = "net_late";
const WINDOW: &str = "net_window";
/// Byte 14 of the last frame.
const LAST: u8 = 0xff;
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

/// Frames that a guest's program sends back; so many of them may be lost.
fn come_back(
    program: &str,
    card: &str,
    transport: &str,
    lost: &RangeInclusive<usize>,
) -> Result<()> {
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
    let sent: Vec<Vec<u8>> = (0..FRAMES).map(frame).collect();
    for frame in &sent {
        peer.send(frame)?;
    }
    let mut expected = sent.iter();
    let mut missing = 0;
    loop {
        let back = peer.receive()?;
        let skipped = expected.by_ref().take_while(|frame| **frame != back);
        missing += skipped.count();
        if back.get(14) == Some(&LAST) {
            break;
        }
        ensure!(
            !expected.as_slice().is_empty(),
            "{card}: a frame that was not sent"
        );
    }
    ensure!(
        lost.contains(&missing),
        "{card}: {missing} frames were lost"
    );
    let ended = vm.wait()?.expect(0)?;
    ensure!(ended.text().is_empty(), "{card}: {}", ended.text());
    Ok(())
}

#[test]
fn an_ne2000_that_ran_out_of_room_loses_a_frame_and_goes_on() -> Result<()> {
    require_kvm!();
    come_back(LATE, "ne2000", "pci", &(1..=3))
}

#[test]
fn cards_with_rings_in_memory_lose_nothing() -> Result<()> {
    require_kvm!();
    come_back(LATE, "e1000", "pci", &(0..=0))?;
    come_back(LATE, "virtio", "pci", &(0..=0))?;
    come_back(LATE, "virtio", "mmio", &(0..=0))
}

/// Which the program first drives against the rules.
#[test]
fn by_the_window_of_a_card_nothing_is_lost_either() -> Result<()> {
    require_kvm!();
    come_back(WINDOW, "virtio", "pci", &(0..=0))?;
    come_back(WINDOW, "virtio", "mmio", &(0..=0))
}
