//! Several queues: each is served, and none without its driver's knowing.

use super::*;

const QUEUES: u16 = 4;
/// Requests on each queue at once.
const AT_ONCE: u64 = 5;

fn guest_of(engine: EngineChoice, queues: u16) -> Guest {
    let disk = DiskFile::temporary(SECTORS * 512).unwrap();
    Guest::new(Box::new(Blk::new(disk, engine, queues)))
}

fn offered(guest: &Guest) -> u64 {
    guest.write(Register::DeviceFeaturesSel, 0);
    guest.read(Register::DeviceFeatures).into()
}

/// Header, status and data of request `nth` on a queue.
fn place(queue: usize, nth: u64) -> [u64; 3] {
    let number = queue as u64 * AT_ONCE + nth;
    [
        HEADER + 0x20 * number,
        HEADER + 0x800 + number,
        DATA + 512 * number,
    ]
}

/// Offers request `nth` of a queue, for a sector if it moves data, without notifying.
fn offer(guest: &mut Guest, queue: usize, nth: u64, kind: u32, sector: u64) {
    let [header, status, data] = place(queue, nth);
    guest.poke(header, &kind.to_le_bytes());
    guest.poke(header + 4, &[0; 4]);
    guest.poke(header + 8, &sector.to_le_bytes());
    guest.poke(status, &[UNTOUCHED]);
    let data = match kind {
        IN => Some(Piece::writable(data, 512)),
        OUT => Some(Piece::readable(data, 512)),
        _ => None,
    };
    let mut pieces = vec![Piece::readable(header, 16)];
    pieces.extend(data);
    pieces.push(Piece::writable(status, 1));
    guest.offer(queue, &pieces);
}

/// One request on a queue; its status.
fn ask(guest: &mut Guest, queue: usize, kind: u32, sector: u64) -> u8 {
    offer(guest, queue, 0, kind, sector);
    guest.notify(queue);
    guest.wait_used(queue);
    guest.peek(place(queue, 0)[1], 1)[0]
}

#[test]
fn the_driver_is_told_how_many_there_are() {
    for (queues, told) in [(0, 1), (1, 1), (2, 2), (8, 8), (9, 8), (u16::MAX, 8)] {
        let guest = guest_of(EngineChoice::Auto, queues);
        assert_eq!(u16::from_le_bytes(guest.config(34)), told);
        assert_eq!(offered(&guest) & F_MQ != 0, told > 1, "{queues}");
    }
}

#[test]
fn what_one_queue_has_written_another_reads_and_flushes() {
    for engine in BOTH {
        let mut guest = guest_of(engine, QUEUES);
        guest.start_simply();
        for queue in 0..QUEUES.into() {
            guest.poke(place(queue, 0)[2], &[queue as u8 + 1; 512]);
            assert_eq!(ask(&mut guest, queue, OUT, queue as u64), OK);
            let other = (queue + 1) % usize::from(QUEUES);
            assert_eq!(ask(&mut guest, other, FLUSH, 0), OK);
            assert_eq!(ask(&mut guest, other, IN, queue as u64), OK);
            let data = guest.peek(place(other, 0)[2], 512);
            assert_eq!(data, [queue as u8 + 1; 512], "queue {queue}");
        }
    }
}

#[test]
fn all_are_at_work_at_once() {
    for engine in BOTH {
        let mut guest = guest_of(engine, QUEUES);
        guest.start_simply();
        let all = || (0..usize::from(QUEUES)).flat_map(|q| (0..AT_ONCE).map(move |n| (q, n)));
        let sector = |(queue, nth): (usize, u64)| queue as u64 * AT_ONCE + nth;
        let run = |guest: &mut Guest, kind| {
            for at in all() {
                offer(guest, at.0, at.1, kind, sector(at));
            }
            (0..QUEUES.into()).for_each(|queue| guest.notify(queue));
            for (queue, _) in all() {
                guest.wait_used(queue);
            }
            for (queue, nth) in all() {
                assert_eq!(guest.peek(place(queue, nth)[1], 1), [OK]);
            }
        };
        for at in all() {
            guest.poke(place(at.0, at.1)[2], &[sector(at) as u8; 512]);
        }
        run(&mut guest, OUT);
        guest.poke(
            DATA,
            &vec![0x99; 512 * usize::from(QUEUES) * AT_ONCE as usize],
        );
        run(&mut guest, IN);
        for at in all() {
            let data = guest.peek(place(at.0, at.1)[2], 512);
            assert_eq!(data, [sector(at) as u8; 512]);
        }
    }
}

#[test]
fn a_driver_that_knows_of_one_is_served_on_that_alone() {
    let mut guest = guest_of(EngineChoice::Auto, QUEUES);
    let features = offered(&guest) & !(F_MQ | F_EVENT_IDX);
    assert_eq!(guest.start(features), 15);
    offer(&mut guest, 1, 0, FLUSH, 0);
    guest.notify(1);
    assert_eq!(ask(&mut guest, 0, FLUSH, 0), OK);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(guest.used_index(1), 0, "its other queues do nothing");
}

#[test]
fn a_driver_may_leave_queues_out_but_not_the_first() {
    const NEEDS_RESET: u32 = 64;
    for (set_up, expected) in [(0, 15), (2, 15 | NEEDS_RESET)] {
        let guest = guest_of(EngineChoice::Auto, QUEUES);
        guest.negotiate(F_MQ);
        guest.set_up_queue(set_up);
        guest.write(Register::Status, 15);
        assert_eq!(guest.read(Register::Status), expected, "queue {set_up}");
    }
}

#[test]
fn a_spoilt_queue_is_the_devices_end_and_a_reset_its_beginning() {
    let mut guest = guest_of(EngineChoice::Auto, QUEUES);
    guest.start_simply();
    guest.make_available(2, QUEUE_SIZE);
    guest.notify(2);
    wait_for("a need of a reset", || {
        guest.read(Register::Status) & 64 != 0
    });
    guest.write(Register::Status, 0);
    guest.start_simply();
    for queue in 0..QUEUES.into() {
        assert_eq!(ask(&mut guest, queue, FLUSH, 0), OK, "queue {queue}");
    }
}

#[test]
fn reset_waits_for_what_is_in_flight_on_all() {
    for engine in BOTH {
        let mut guest = guest_of(engine, QUEUES);
        for _ in 0..20 {
            guest.start_simply();
            write_header(&guest, IN, 0);
            let pieces = [
                Piece::readable(HEADER, 16),
                Piece::writable(DATA, 0x8000),
                Piece::writable(STATUS, 1),
            ];
            for queue in 0..QUEUES.into() {
                (0..AT_ONCE).for_each(|_| _ = guest.offer(queue, &pieces));
            }
            (0..QUEUES.into()).for_each(|queue| guest.notify(queue));
            guest.write(Register::Status, 0);
            let used = || [0, 1, 2, 3].map(|queue| guest.used_index(queue));
            let before = used();
            for queue in 0..QUEUES.into() {
                guest.make_available(queue, 0);
                guest.notify(queue);
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
            assert_eq!(used(), before, "nothing happens after a reset");
        }
    }
}

#[test]
fn each_goes_on_where_it_was_saved() {
    let mut guest = guest_of(EngineChoice::Auto, QUEUES);
    guest.start_simply();
    for queue in 0..QUEUES.into() {
        for _ in 0..=queue {
            assert_eq!(ask(&mut guest, queue, FLUSH, 0), OK);
        }
    }
    let state = guest.transport.lock().unwrap().save().unwrap();
    let next: Vec<u16> = state.handshake.queues.iter().map(|q| q.next).collect();
    assert_eq!(next, [1, 2, 3, 4]);
    guest.write(Register::Status, 0);
    guest.transport.lock().unwrap().restore(&state).unwrap();
    assert_eq!(guest.read(Register::Status), 15);
    for queue in 0..QUEUES.into() {
        assert_eq!(ask(&mut guest, queue, FLUSH, 0), OK, "queue {queue}");
    }
}
