//! The balloon as its driver sees it, its worker running.

use super::worker::PERIOD;
use super::*;
use crate::virtio::mmio::spec::Register;
use crate::virtio::testing::{BUFFERS, Guest, MEMORY_BYTES, Piece, wait_for};
use crate::work::Working;
use std::sync::Mutex;
use std::time::Instant;

const INFLATE: usize = 0;
const DEFLATE: usize = 1;
const STATISTICS: usize = 2;
const REPORTING: usize = 3;
/// Where the configuration has the target and the balloon's size.
const TARGET: u64 = 0;
const ACTUAL: u64 = 4;

/// Notes what it is given.
#[derive(Default)]
struct Given(Mutex<Vec<(u64, u64)>>);

impl Given {
    fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Discard for Given {
    fn discard(&self, gpa: GuestAddress, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().push((gpa.0, len));
        Ok(())
    }
}

fn guest() -> (Guest, BalloonHandle, Arc<Given>) {
    let given = Arc::new(Given::default());
    let balloon = Balloon::new(3 << 20, given.clone());
    let handle = balloon.handle();
    let mut guest = Guest::new(Box::new(balloon));
    guest.start_simply();
    (guest, handle, given)
}

fn name(guest: &mut Guest, queue: usize, pages: &[u32]) {
    let bytes: Vec<u8> = pages.iter().flat_map(|page| page.to_le_bytes()).collect();
    guest.poke(BUFFERS, &bytes);
    assert_eq!(
        guest.exchange(queue, &[Piece::readable(BUFFERS, bytes.len() as u32)]),
        0
    );
}

fn refused(guest: &Guest) -> u64 {
    guest.transport.lock().unwrap().refused()
}

#[test]
fn the_target_is_in_the_configuration_and_a_new_one_interrupts() {
    let (guest, handle, _) = guest();
    assert_eq!(guest.config(TARGET), 768_u32.to_le_bytes());
    let generation = guest.read(Register::ConfigGeneration);
    handle.set_target(1 << 20);
    assert_eq!(guest.config(TARGET), 256_u32.to_le_bytes());
    assert_ne!(guest.read(Register::ConfigGeneration), generation);
    assert_eq!(guest.read(Register::InterruptStatus) & 2, 2);
    handle.set_target(u64::MAX);
    assert_eq!(guest.config(TARGET), [0xff; 4]);
}

#[test]
fn the_driver_says_how_much_it_has_given() {
    let (guest, handle, _) = guest();
    guest.bus().write(
        crate::virtio::testing::BASE + 0x100 + ACTUAL,
        &77_u32.to_le_bytes(),
    );
    assert_eq!(handle.status().actual_bytes, 77 * 4096);
    guest
        .bus()
        .write(crate::virtio::testing::BASE + 0x100 + TARGET, &[0xff; 4]);
    assert_eq!(
        handle.status().target_bytes,
        3 << 20,
        "the target is not the driver's"
    );
    assert_eq!(guest.config(ACTUAL), 77_u32.to_le_bytes());
}

#[test]
fn pages_are_given_back_in_as_few_pieces_as_possible() {
    let (mut guest, handle, given) = guest();
    name(&mut guest, INFLATE, &[200, 199, 201, 255, 100]);
    let page = |page: u64, count: u64| (page * 4096, count * 4096);
    assert_eq!(given.take(), [page(100, 1), page(199, 3), page(255, 1)]);
    assert_eq!(handle.status().discarded_bytes, 5 * 4096);
    assert_eq!(refused(&guest), 0);
}

#[test]
fn a_long_list_is_given_back_whole() {
    let (mut guest, handle, given) = guest();
    // In two pieces, the first of which ends in the middle of a number.
    let bytes: Vec<u8> = (0..256_u32).rev().flat_map(u32::to_le_bytes).collect();
    guest.poke(BUFFERS, &bytes);
    let pieces = [
        Piece::readable(BUFFERS, 511),
        Piece::readable(BUFFERS + 511, 513),
    ];
    guest.exchange(INFLATE, &pieces);
    assert_eq!(given.take(), [(0, MEMORY_BYTES)]);
    assert_eq!(handle.status().discarded_bytes, MEMORY_BYTES);
}

#[test]
fn pages_that_are_no_memory_or_come_again_are_refused() {
    let (mut guest, _, given) = guest();
    name(&mut guest, INFLATE, &[256, 7, u32::MAX, 0xd_0000, 7]);
    assert_eq!(given.take(), [(7 * 4096, 4096)]);
    assert_eq!(refused(&guest), 4);
    name(&mut guest, INFLATE, &[7]);
    assert_eq!((given.take(), refused(&guest)), (vec![], 5));
    name(&mut guest, DEFLATE, &[7, 8, u32::MAX]);
    assert_eq!(refused(&guest), 6);
    name(&mut guest, INFLATE, &[7]);
    assert_eq!((given.take(), refused(&guest)), (vec![(7 * 4096, 4096)], 6));
}

#[test]
fn a_list_that_is_malformed_is_refused() {
    let (mut guest, _, given) = guest();
    for pieces in [
        [
            Piece::readable(BUFFERS, 0),
            Piece::readable(MEMORY_BYTES - 2, 4),
        ],
        [Piece::writable(BUFFERS, 8), Piece::readable(BUFFERS, 4)],
        // A number cut short.
        [Piece::readable(BUFFERS, 2), Piece::readable(BUFFERS, 1)],
    ] {
        assert_eq!(guest.exchange(INFLATE, &pieces), 0);
    }
    assert_eq!((given.take(), refused(&guest)), (vec![], 3));
}

#[test]
fn reported_pages_are_given_back() {
    let (mut guest, handle, given) = guest();
    let pieces = [
        Piece::writable(0x4_0000, 0x1_0000),
        Piece::writable(0x8_0000, 0x1_0800),
        Piece::writable(0x5_0000, 0x1_0000),
    ];
    assert_eq!(guest.exchange(REPORTING, &pieces), 0);
    assert_eq!(given.take(), [(0x4_0000, 0x2_0000), (0x8_0000, 0x1_0000)]);
    // They may be reported again, as they may have been used in between.
    guest.exchange(REPORTING, &pieces[..1]);
    assert_eq!(given.take(), [(0x4_0000, 0x1_0000)]);
    assert_eq!(handle.status().discarded_bytes, 0x4_0000);
    let outside = [Piece::writable(MEMORY_BYTES - 0x1000, 0x2000)];
    guest.exchange(REPORTING, &outside);
    assert_eq!((given.take(), refused(&guest)), (vec![], 1));
}

#[test]
fn more_may_be_reported_at_once_than_other_queues_take() {
    let (mut guest, _, given) = guest();
    // 32 times all of its memory, by a table of descriptors.
    let table: Vec<u8> = (1..=32_u16)
        .flat_map(|next| {
            let flags = 2 | u16::from(next < 32);
            let [a, b] = flags.to_le_bytes();
            let [c, d] = next.to_le_bytes();
            let len = (MEMORY_BYTES as u32).to_le_bytes();
            [&[0; 8][..], &len, &[a, b, c, d]].concat()
        })
        .collect();
    guest.poke(BUFFERS, &table);
    let mut indirect = Piece::readable(BUFFERS, table.len() as u32);
    indirect.flags = 4;
    guest.exchange(REPORTING, &[indirect]);
    assert_eq!(refused(&guest), 0);
    assert_eq!(given.take(), [(0, MEMORY_BYTES)]);
}

#[test]
fn without_statistics_the_reporting_queue_is_the_third() {
    let (mut guest, _, given) = guest();
    guest.write(Register::Status, 0);
    assert_eq!(guest.start(F_REPORTING), 15);
    guest.exchange(STATISTICS, &[Piece::writable(0x4_0000, 0x1_0000)]);
    assert_eq!(given.take(), [(0x4_0000, 0x1_0000)]);
}

fn entry(tag: u16, value: u64) -> Vec<u8> {
    [&tag.to_le_bytes()[..], &value.to_le_bytes()].concat()
}

#[test]
fn statistics_are_asked_for_again_and_again() {
    let start = Instant::now();
    let (mut guest, handle, _) = guest();
    let list = [entry(4, 1 << 20), entry(99, 5), entry(0, 7), vec![1, 0, 9]].concat();
    guest.poke(BUFFERS, &list);
    let buffer = [Piece::readable(BUFFERS, list.len() as u32)];
    let expected = [("swap_in", 7), ("free_memory", 1 << 20)];
    guest.offer(STATISTICS, &buffer);
    guest.notify(STATISTICS);
    wait_for("statistics", || handle.status().statistics == expected);
    // The buffer waits for the next question.
    let used = guest.used_index(STATISTICS);
    assert!(used == 0 || start.elapsed() >= PERIOD, "asked too soon");
    assert_eq!(guest.wait_used(STATISTICS), (0, 0));
    wait_for("an interrupt", || guest.line.evt().read().is_ok());
    guest.poke(BUFFERS, &entry(5, 3));
    assert_eq!(guest.exchange(STATISTICS, &buffer), 0);
    let total = handle.status().statistics.contains(&("total_memory", 3));
    assert!(total, "{:?}", handle.status());
}

#[test]
fn statistics_of_any_length_are_taken() {
    let (mut guest, handle, _) = guest();
    for len in [0, 9, 0x1_0000] {
        guest.offer(STATISTICS, &[Piece::readable(BUFFERS, len)]);
    }
    guest.offer(STATISTICS, &[Piece::readable(MEMORY_BYTES, 10)]);
    guest.notify(STATISTICS);
    for _ in 0..4 {
        guest.wait_used(STATISTICS);
    }
    assert_eq!(handle.status().statistics, [("swap_in", 0)]);
}

#[test]
fn a_restored_balloon_has_the_saved_size_and_target() {
    let state = BalloonState {
        target_pages: 10,
        actual_pages: 4,
    };
    let mut balloon = Balloon::new(0, Arc::new(Given::default()));
    balloon.restore(&state);
    assert_eq!(balloon.save(), state);
    assert_eq!(balloon.config(), [10, 0, 0, 0, 4, 0, 0, 0]);
}
