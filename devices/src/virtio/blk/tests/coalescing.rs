//! Interrupts that wait for more answers: none is lost, whatever the driver does meanwhile.

use super::*;

/// As many as there are descriptors for.
const AT_ONCE: u64 = 5;
const ROUNDS: u64 = 100;

fn guest(engine: EngineChoice) -> Guest {
    let disk = DiskFile::temporary(SECTORS * 512).unwrap();
    let mut guest = Guest::new(Box::new(Blk::new(disk, engine, 1)));
    assert_eq!(guest.start(F_EVENT_IDX | F_FLUSH), 15);
    guest
}

/// Asks for an interrupt at the first answer, and for so many reads.
fn ask(guest: &mut Guest, count: u64) {
    guest.want_interrupt(0, guest.seen(0));
    for slot in 0..count {
        let pieces = [
            Piece::readable(HEADER, 16),
            Piece::writable(DATA + 0x1000 * slot, 512),
            Piece::writable(STATUS + slot, 1),
        ];
        guest.offer(0, &pieces);
        guest.notify(0);
    }
}

/// Does it for some rounds with so many reads, and `meanwhile` before all answers are taken.
fn rounds(mut meanwhile: impl FnMut(&mut Guest, u64)) {
    for engine in BOTH {
        let mut guest = guest(engine);
        write_header(&guest, IN, 0);
        for round in 0..ROUNDS {
            let _ = guest.line.evt().read();
            ask(&mut guest, some(round));
            meanwhile(&mut guest, round);
            for _ in 0..some(round) {
                guest.wait_used(0);
            }
        }
    }
}

/// Between 1 and [`AT_ONCE`], in no order.
fn some(round: u64) -> u64 {
    1 + (round * round / 3 + round) % AT_ONCE
}

#[test]
fn every_answer_that_is_asked_for_is_signalled() {
    rounds(|guest, _| wait_for("an interrupt", || guest.line.evt().read().is_ok()));
}

#[test]
fn what_was_answered_before_a_save_is_signalled_by_then() {
    rounds(|guest, round| {
        let state = guest.transport.lock().unwrap().save().unwrap();
        let answered = guest.used_index(0) != guest.seen(0);
        assert_eq!(guest.line.evt().read().is_ok(), answered, "round {round}");
        guest.transport.lock().unwrap().restore(&state).unwrap();
    });
}

#[test]
fn no_interrupt_follows_a_reset() {
    for engine in BOTH {
        let mut guest = guest(engine);
        for round in 0..ROUNDS {
            write_header(&guest, IN, 0);
            ask(&mut guest, some(round));
            guest.write(Register::Status, 0);
            let _ = guest.line.evt().read();
            guest.notify(0);
            assert!(guest.line.evt().read().is_err(), "round {round}");
            assert_eq!(guest.start(F_EVENT_IDX | F_FLUSH), 15);
        }
    }
}
