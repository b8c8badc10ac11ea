//! A guest that does with PCI what no driver would: Hostel and its disk survive, what it wrote over
//! still answers, and what was refused is counted.

use anyhow::{Result, ensure};
use tests::block::{self, Request, SECTOR_BYTES};
use tests::virtio::{Descriptor, Rings};
use tests::virtio_pci::{ADDRESS_PORT, BAR_BYTES, DATA_PORT, Function, WINDOW, config, reg};
use tests::{BUFFER, Ended, Script, TestVm, machine_code, require_kvm};

machine_code!(
    /// Reads and writes the pages of the first disk's BAR at each width: each dword, then addresses
    /// of every alignment; with ones, then with a one.
    fn sweep_bar {
        "mov $-1, %rbx"
        "1: mov $0xc0000000, %esi"
        "mov $4, %ecx"
        "2: mov (%rsi), %al"
        "mov (%rsi), %ax"
        "mov (%rsi), %eax"
        "mov (%rsi), %rax"
        "mov %bl, (%rsi)"
        "mov %bx, (%rsi)"
        "mov %ebx, (%rsi)"
        "mov %rbx, (%rsi)"
        "add %ecx, %esi"
        "cmp $0xc0004000, %esi"
        "jb 2b"
        "mov $0xc0000001, %esi"
        "add $7, %ecx"
        "cmp $11, %ecx"
        "je 2b"
        "cmp $1, %rbx"
        "mov $1, %ebx"
        "jne 1b"
        "ret"
    }
);

const DISK: Function = Function::DISK;
const CONSOLE: Function = Function {
    device: 2,
    bar: WINDOW + BAR_BYTES,
};
const RNG: Function = Function {
    device: 3,
    bar: WINDOW + 2 * BAR_BYTES,
};
const CODE: u64 = 0x30_0000;
/// Apart from those of the request at the end.
const RINGS: Rings = Rings::at(BUFFER + 0x1000);
const DATA: u64 = BUFFER + 0x8000;
/// Requests that [`reads`] makes.
const READS: u16 = 8;
const LAPIC: u64 = 0xfee0_0000;

/// The disk works after the attack.
fn survives(attack: Script) -> Result<Ended> {
    block::survives(TestVm::builder(), attack, |script| {
        DISK.request(script, Request::Read, 3, &[0; SECTOR_BYTES])
    })
}

/// Time for the host's side to do what it should not: some milliseconds, 8 us or more a step.
fn wait(script: Script) -> Script {
    wait_for(script, 1000)
}

fn wait_for(script: Script, steps: u64) -> Script {
    script.in8(0x80).repeat(1, steps)
}

/// Memory with as many reads of a sector as the ring has, of which none is available yet.
fn place_reads(script: Script) -> Script {
    let chain = [
        (BUFFER + 0x100, 16, Descriptor::NEXT, 1),
        (
            DATA,
            SECTOR_BYTES as u32,
            Descriptor::NEXT | Descriptor::WRITE,
            2,
        ),
        (BUFFER + 0x200, 1, Descriptor::WRITE, 0),
    ];
    let chain = chain.map(|(address, len, flags, next)| Descriptor {
        address,
        len,
        flags,
        next,
    });
    let script = RINGS.fill(script, &chain, &[0; READS as usize]);
    let script = script.memory(BUFFER + 0x100, &[0; 16]);
    make_available(script, 0)
}

fn make_available(script: Script, requests: u16) -> Script {
    script.write(2, RINGS.0[1] + 2, requests.into())
}

/// A disk, at `function`, that is to do those reads.
fn start(script: Script, function: Function) -> Script {
    let script = function.negotiate(function.turn_on(script));
    function.driver_ok(function.set_queue(script, 0, 16, RINGS))
}

/// Prints how many reads are done.
fn print_done(script: Script) -> Script {
    script.read(2, RINGS.0[2] + 2).send(2)
}

#[test]
fn bars_over_memory_and_over_other_devices_answer_nothing() -> Result<()> {
    require_kvm!();
    let places = [
        0,
        BUFFER & !(BAR_BYTES - 1),
        0x10_0000,
        (128 << 20) - BAR_BYTES,
        0xd000_0000,
        0xe000_0000,
        0xe000_8000,
        0xfec0_0000,
        LAPIC,
        0xffff_c000,
    ];
    let around = |script: Script| {
        // Memory, configuration space, IOAPIC's version, LAPIC's version, the end of 4 GiB.
        script
            .read(4, BUFFER)
            .send(4)
            .read(4, DISK.config(0))
            .send(4)
            .write(4, 0xfec0_0000, 1)
            .read(1, 0xfec0_0010)
            .send(1)
            .read(1, LAPIC + 0x30)
            .send(1)
            .read(4, 0xffff_c000 + reg::NUM_QUEUES)
            .send(4)
    };
    let script = Script::new().memory(BUFFER, b"kept").say("(");
    let script = around(DISK.turn_on(script));
    let script = places.into_iter().fold(script, |script, place| {
        let moved = DISK.at(place);
        around(moved.turn_on(script))
    });
    let ended = survives(script.say(")"))?;
    let inside = ended.stdout.strip_prefix(b"(").unwrap_or(&[]);
    let (first, rest) = inside.split_at(14);
    ensure!(first.starts_with(b"kept\xf4\x1a\x42\x10"), "{first:x?}");
    ensure!(first.ends_with(&[0xff; 4]), "{first:x?}");
    for (place, found) in places.iter().zip(rest.chunks(14)) {
        ensure!(found == first, "{place:#x}: {found:x?}");
    }
    Ok(())
}

#[test]
fn of_two_bars_in_one_place_the_first_answers_and_the_other_takes_over() -> Result<()> {
    require_kvm!();
    let place = WINDOW + 0x100_0000;
    let queues = |script: Script| script.read(2, place + reg::NUM_QUEUES).send(1);
    // The console has two queues, the disk one.
    let script = CONSOLE.at(place).turn_on(Script::new().say("("));
    let script = queues(DISK.at(place).turn_on(queues(script)));
    let script = CONSOLE.turn_on(script);
    let ended = survives(queues(script).say(")"))?;
    ensure!(
        ended.stdout.starts_with(b"(\x02\x02\x01)"),
        "{:?}",
        ended.stdout
    );
    Ok(())
}

#[test]
fn a_doorbell_rings_where_the_bar_is_and_not_where_it_was() -> Result<()> {
    require_kvm!();
    // A device that has done a request looks for another before it rests: on a busy host it may find
    // one that nobody has rung for. So there are tries, in which it has longer and longer to rest.
    let mut found = Vec::new();
    for rest in [1000, 10_000, 100_000, 1_000_000] {
        let ended = survives(doorbells(rest).say(")"))?;
        if ended.stdout.starts_with(b"(\x01\0\x02\0\x02\0)") {
            return Ok(());
        }
        found.push(ended.text());
    }
    anyhow::bail!("{found:?}")
}

/// Rings where the BAR was, where it is, and where it is turned off, and prints each time how many
/// reads are done; before each there is time for the device to rest.
fn doorbells(rest: u64) -> Script {
    let new = DISK.at(WINDOW + 0x200_0000);
    let script = start(place_reads(Script::new().say("(")), DISK);
    let script = DISK.notify(make_available(script, 1), 0);
    let script = new.place(RINGS.wait(script, 1));
    let script = make_available(wait_for(script, rest), 2);
    let script = print_done(wait(DISK.notify(script, 0)));
    let script = print_done(RINGS.wait(new.notify(script, 0), 2));
    // A notification is a write to nothing then.
    let script = make_available(wait_for(script, rest), 3);
    let off = script.write(2, DISK.config(config::COMMAND), 0);
    print_done(wait(new.notify(off, 0)))
}

#[test]
fn a_bar_that_moves_while_requests_are_in_flight_loses_none() -> Result<()> {
    require_kvm!();
    let script = start(place_reads(Script::new()), DISK);
    let script = (1..=READS).fold(script, |script, request| {
        let here = DISK.at(WINDOW + u64::from(request % 2) * 0x10_0000);
        let there = DISK.at(WINDOW + u64::from((request + 1) % 2) * 0x10_0000);
        let script = here.place(script);
        let script = there.place(here.notify(make_available(script, request), 0));
        RINGS.wait(script, request)
    });
    survives(script)?;
    Ok(())
}

#[test]
fn messages_that_point_anywhere_go_nowhere_or_to_a_processor() -> Result<()> {
    require_kvm!();
    let targets: [(u64, u32); 10] = [
        (BUFFER, 0x41),
        (0, 0),
        (DISK.bar + reg::NOTIFY, 0),
        (DISK.config(config::COMMAND), 0),
        (0xfec0_0000, 0x41),
        (u64::MAX, u32::MAX),
        (0x1_0000_0000 | LAPIC, 0x41),
        // Vector 5, and lowest priority, to a processor that is not there, or to all.
        (LAPIC, 5),
        (LAPIC | 0x0f_f00c, 0x141),
        (LAPIC | 0x0a_b000, 0xffff_f841),
    ];
    let script = Script::new().memory(BUFFER, b"kept");
    let script = DISK.use_messages(start(place_reads(script), DISK));
    let script = script.write(2, DISK.bar + reg::CONFIG_VECTOR, 1);
    let script = targets.into_iter().fold(script, |script, message| {
        let script = (0..2).fold(script, |script, vector| {
            DISK.message(script, vector, message, 0)
        });
        // A device that runs stays as it is; the next requests use the next vectors.
        let script = script.write(2, DISK.bar + reg::QUEUE_VECTOR, u64::from(message.1 % 2));
        wait(DISK.notify(make_available(script, READS), 0))
    });
    let ended = survives(script.print(BUFFER, 4))?;
    ensure!(ended.stdout.starts_with(b"kept"), "memory was written to");
    Ok(())
}

#[test]
fn a_message_that_is_rewritten_in_flight_is_one_of_both() -> Result<()> {
    require_kvm!();
    let requests = LAPIC + 0x220;
    let script = Script::new().write(4, LAPIC + 0xf0, 0x1ff).say("(");
    let script = DISK.use_messages(DISK.turn_on(script));
    let script = DISK.message(script, 1, (LAPIC, 0x41), 0);
    let script = start(place_reads(script), DISK);
    // The vector is one of those that a reset has taken away.
    let script = script.write(2, DISK.bar + reg::QUEUE_VECTOR, 1);
    let script = (1..=READS).fold(script, |script, request| {
        let script = DISK.notify(make_available(script, request), 0);
        let data = 0x41 + u32::from(request % 2);
        let script = DISK.message(script, 1, (LAPIC, data), u64::from(request % 3 == 0));
        RINGS.wait(script, request)
    });
    let script = DISK.message(script, 1, (LAPIC, 0x43), 0);
    // The last are done before their messages are there, and one of the first two comes in any case.
    let script = script.read_until(requests, 0b110).send(4);
    let ended = survives(script.say(")"))?;
    let found = ended.stdout.strip_prefix(b"(").unwrap_or(&[]);
    ensure!(found[0] & 0b110 != 0, "no message: {found:x?}");
    ensure!(found[0] & !0b1110 == 0, "others: {found:x?}");
    Ok(())
}

#[test]
fn a_reset_in_mid_request_leaves_a_device_that_works() -> Result<()> {
    require_kvm!();
    let script = place_reads(Script::new());
    let script = (0..20).fold(script, |script, round| {
        let script = start(make_available(script, 0), DISK);
        let script = DISK.notify(make_available(script, READS), 0);
        let script = script.in8(0x80).repeat(1, 1 + round);
        let script = match round % 3 {
            0 => script.write(1, DISK.bar + reg::STATUS, 0),
            1 => script.write(2, DISK.config(config::COMMAND), 0),
            _ => script,
        };
        // The ring of the next round is an empty one.
        DISK.negotiate(DISK.turn_on(script))
            .write(2, RINGS.0[2] + 2, 0)
    });
    survives(script)?;
    Ok(())
}

#[test]
fn identities_and_capabilities_cannot_be_written() -> Result<()> {
    require_kvm!();
    // Ids, class, header; subsystem, capability pointer; MSI-X's table; the first of virtio's.
    let registers = [
        0x00, 0x08, 0x0e, 0x2c, 0x34, 0x44, 0x48, 0x4c, 0x50, 0x54, 0x58,
    ];
    let print = |script: Script| {
        registers.into_iter().fold(script, |script, register| {
            script.read(4, DISK.config(register & !3)).send(4)
        })
    };
    let script = print(Script::new().say("("));
    let script = registers.into_iter().fold(script, |script, register| {
        let script = [1, 2, 4, 8].into_iter().fold(script, |script, width| {
            script.write(width, DISK.config(register & !7), u64::MAX)
        });
        script
            .out32(ADDRESS_PORT, DISK.address(register as u8 & !3))
            .out32(DATA_PORT, 0)
            .out16(DATA_PORT + 2, 0x1234)
            .out8(DATA_PORT + 1, 0x55)
    });
    let ended = survives(print(script).say(")"))?;
    let found = ended.stdout.strip_prefix(b"(").unwrap_or(&[]);
    let bytes = 4 * registers.len();
    // Cache line size is software's own, in the register of the header's kind.
    let read_only = |from: usize| {
        let words = found[from..from + bytes].chunks(4).enumerate();
        words
            .map(|(index, word)| if index == 2 { &word[1..] } else { word })
            .collect::<Vec<_>>()
    };
    ensure!(read_only(0) == read_only(bytes), "{found:x?}");
    Ok(())
}

#[test]
fn every_register_of_configuration_space_at_every_width() -> Result<()> {
    require_kvm!();
    let functions = [0, 1, 2, 3, 4].map(|device| Function { device, bar: 0 });
    let script = functions
        .into_iter()
        .fold(Script::new(), |script, function| {
            (0..0x110).fold(script, |script, register| {
                let at = function.config(register);
                [1, 2, 4, 8].into_iter().fold(script, |script, width| {
                    script.read(width, at).write(width, at, u64::MAX)
                })
            })
        });
    let ended = survives(CONSOLE.turn_on(RNG.turn_on(script)))?;
    ensure!(ended.report()?.exits("mmio_write", "pci") > 5 * 0x110 * 4);
    Ok(())
}

#[test]
fn the_ports_of_configuration_at_every_width_and_offset() -> Result<()> {
    require_kvm!();
    let values = [1 << 31, 0x8000_0800, 0x8000_08fc, 0x80ff_ffff, 0];
    let script = values.into_iter().fold(Script::new(), |script, address| {
        (0..8).fold(script.out32(ADDRESS_PORT, address), |script, offset| {
            let port = ADDRESS_PORT + offset;
            let script = script.in8(port).in16(port).in32(port);
            match offset {
                // The reset register is among these.
                0..4 => script,
                _ => script.out8(port, 0xff).out16(port, 0xffff).out32(port, 1),
            }
        })
    });
    survives(script)?;
    Ok(())
}

#[test]
fn every_register_of_a_bar_at_every_width() -> Result<()> {
    require_kvm!();
    let ended = survives(DISK.turn_on(Script::new()).call(CODE, sweep_bar()))?;
    let report = ended.report()?;
    for kind in ["mmio_read", "mmio_write"] {
        let count = report.exits(kind, "virtio-blk0");
        ensure!(count > 30_000, "{kind}: {count}");
    }
    ensure!(report.refused("virtio-blk0") > 0, "nothing was refused");
    Ok(())
}

#[test]
fn what_is_refused_is_counted_at_its_device() -> Result<()> {
    require_kvm!();
    let script = CONSOLE.turn_on(DISK.turn_on(Script::new()));
    let script = script
        // Wrong widths, what is only read, a queue that is not there, DRIVER_OK too soon.
        .write(4, DISK.bar + reg::STATUS, 1)
        .write(1, DISK.bar + reg::QUEUE_SEL, 1)
        .write(2, DISK.bar + reg::NUM_QUEUES, 9)
        .write(1, DISK.bar + reg::ISR, 1)
        .write(2, DISK.bar + reg::NOTIFY + 4 * 7, 7)
        .write(1, DISK.bar + reg::STATUS, 4)
        .write(2, CONSOLE.bar + reg::QUEUE_SIZE, 3);
    let ended = survives(script)?;
    let report = ended.report()?;
    let counts = ["virtio-blk0", "virtio-console", "virtio-rng"].map(|name| report.refused(name));
    ensure!(counts == [6, 1, 0], "{counts:?}");
    Ok(())
}

#[test]
fn a_function_that_may_not_master_the_bus_does_no_harm() -> Result<()> {
    require_kvm!();
    let script = start(place_reads(Script::new()), DISK);
    let script = script.write(2, DISK.config(config::COMMAND), 2);
    let script = wait(DISK.notify(make_available(script, READS), 0));
    survives(script.write(1, DISK.bar + reg::STATUS, 0))?;
    Ok(())
}
