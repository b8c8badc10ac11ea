//! A guest that does what no driver would: Hostel and its disk survive, and it is counted.

use anyhow::{Result, ensure};
use tests::block::{self, Request, SECTOR_BYTES, request};
use tests::virtio::{self, DEVICE_BYTES, DEVICES, Descriptor, Rings, reg};
use tests::{BUFFER, Ended, Kernel, Script, TestVm, machine_code, require_kvm};

machine_code!(
    /// Reads each port at each width, and writes ones to it, but for the ports that end the VM:
    /// 0x501, at any width, and 0xcf9. Then makes the serial port as it was, and says so.
    fn sweep_ports {
        ".code32"
        "xor %edx, %edx"
        "1: in %dx, %al"
        "in %dx, %ax"
        "in %dx, %eax"
        "cmp $0xcf9, %edx"
        "je 2f"
        "lea -0x4fe(%edx), %eax"
        "cmp $3, %eax"
        "jbe 2f"
        "or $-1, %eax"
        "out %al, %dx"
        "out %ax, %dx"
        "out %eax, %dx"
        "2: inc %edx"
        "cmp $0x10000, %edx"
        "jne 1b"
        // 8 bits, no loopback.
        "mov $0x3fb, %edx"
        "mov $3, %al"
        "out %al, %dx"
        "inc %edx"
        "xor %eax, %eax"
        "out %al, %dx"
        "mov $0x3f8, %edx"
        "mov $0x2a, %al"
        "out %al, %dx"
        "mov $0x501, %edx"
        "xor %eax, %eax"
        "out %al, %dx"
        "3: hlt"
        "jmp 3b"
    }
);

machine_code!(
    /// Reads and writes the first four devices' pages at each width: each dword, then addresses
    /// of every alignment; with ones, then with a one.
    fn sweep_devices {
        "mov $-1, %rbx"
        "1: mov $0xd0000000, %esi"
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
        "cmp $0xd0004000, %esi"
        "jb 2b"
        "mov $0xd0000001, %esi"
        "add $7, %ecx"
        "cmp $11, %ecx"
        "je 2b"
        "cmp $1, %rbx"
        "mov $1, %ebx"
        "jne 1b"
        "ret"
    }
);

/// Where called code goes.
const CODE: u64 = 0x30_0000;

/// The disk works after the attack.
fn survives(attack: Script) -> Result<Ended> {
    block::survives(TestVm::builder().transport("mmio"), attack, |script| {
        request(script, Request::Read, 3, &[0; SECTOR_BYTES])
    })
}

#[test]
fn every_port_at_every_width() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(sweep_ports());
    let ended = TestVm::builder()
        .kernel(&kernel)
        .report()
        .run()?
        .expect(0)?;
    ensure!(ended.stdout.ends_with(b"*"), "the serial port is dead");
    // All ports but those of devices, of Hostel's and of KVM's own.
    let all = 3 * 65_536;
    for kind in ["pio_read", "pio_write"] {
        let none = ended.report()?.exits(kind, "none");
        ensure!(
            (all - 300..all).contains(&none),
            "{kind}: {none} of {all} at no device"
        );
    }
    Ok(())
}

#[test]
fn every_device_register_at_every_width() -> Result<()> {
    require_kvm!();
    let ended = survives(Script::new().call(CODE, sweep_devices()))?;
    let report = ended.report()?;
    for device in ["virtio-blk0", "virtio-console", "virtio-rng", "none"] {
        for kind in ["mmio_read", "mmio_write"] {
            let count = report.exits(kind, device);
            ensure!(count > 8000, "{kind} at {device}: {count}");
        }
        let refused = report.refused(device);
        ensure!(device == "none" || refused > 0, "{device} refused nothing");
    }
    Ok(())
}

#[test]
fn addresses_without_memory_or_device() -> Result<()> {
    require_kvm!();
    let holes = [
        128 << 20,
        (128 << 20) - 4,
        0xc000_0000,
        0xcfff_fffc,
        0xd000_0000 + 14 * DEVICE_BYTES,
        0xfed0_0000,
        0xffff_fff8,
        0x1_0000_0000,
        0x1_ffff_fff0,
    ];
    let script = holes.into_iter().fold(Script::new(), |script, hole| {
        [1, 2, 4, 8].into_iter().fold(script, |script, width| {
            script
                .read(width, hole)
                .write(width, hole, u64::MAX)
                .read(width, hole)
        })
    });
    let ended = survives(script.read(8, 0xc000_0000).send(8))?;
    ensure!(
        ended.stdout.starts_with(&[0xff; 8]),
        "nothing reads as ones"
    );
    ensure!(ended.report()?.exits("mmio_write", "none") >= 32);
    Ok(())
}

#[test]
fn string_instructions_with_large_counts() -> Result<()> {
    require_kvm!();
    let count = 5000;
    let script = Script::new()
        .ins(0x3ff, count)
        .outs(0x3ff, count)
        .ins(0x1000, count)
        .outs(0x1000, count)
        .ins(0x60, count)
        .outs(0x71, count);
    let ended = survives(script)?;
    ensure!(ended.report()?.exits("pio_write", "none") > 0);
    Ok(())
}

/// Each queue of each device: base address, index.
const QUEUES: [(u64, u64); 4] = [
    (DEVICES, 0),
    (DEVICES + DEVICE_BYTES, 0),
    (DEVICES + DEVICE_BYTES, 1),
    (DEVICES + 2 * DEVICE_BYTES, 0),
];
const RINGS: Rings = Rings::at(BUFFER + 0x1000);
const DATA: u64 = BUFFER + 0x8000;

/// Sets each queue up like this and rings its doorbell, both ways: the event's and the exit's.
fn attack(script: Script, size: u64, rings: Rings) -> Script {
    QUEUES.into_iter().fold(script, |script, (base, index)| {
        let script = virtio::negotiate(script, base);
        let script = virtio::set_queue(script, base, index, size, rings);
        virtio::driver_ok(script, base)
            .write(4, base + reg::QUEUE_NOTIFY, index)
            .write(2, base + reg::QUEUE_NOTIFY, index)
            .write(4, base + reg::QUEUE_NOTIFY, 0xffff)
            // Time for the device's own thread.
            .in8(0x80)
            .repeat(1, 50)
    })
}

#[test]
fn rings_outside_memory() -> Result<()> {
    require_kvm!();
    let nowhere = [
        0x8000_0000,
        0xd000_0000,
        (128 << 20) - 8,
        0x7fff_ffff_f000,
        u64::MAX - 0xfff,
        u64::MAX,
        1,
    ];
    let script = nowhere.into_iter().fold(Script::new(), |script, address| {
        let script = attack(script, 16, Rings([address; 3]));
        let mut one_by_one = [RINGS.0; 3];
        (0..3).for_each(|ring| one_by_one[ring][ring] = address);
        one_by_one
            .into_iter()
            .fold(script, |script, rings| attack(script, 16, Rings(rings)))
    });
    survives(RINGS.fill(script, &[], &[0, 1, 2]))?;
    Ok(())
}

#[test]
fn queues_of_impossible_sizes() -> Result<()> {
    require_kvm!();
    let sizes = [0, 3, 257, 1024, 32_768, 65_535, 65_536, 0xffff_ffff];
    let script = sizes
        .into_iter()
        .fold(Script::new(), |script, size| attack(script, size, RINGS));
    survives(RINGS.fill(script, &[], &[0, 1, 2]))?;
    Ok(())
}

/// Chains that are wrong in one way each, with what is made available of them.
fn wrong_chains() -> Vec<(&'static str, Vec<Descriptor>, Vec<u16>)> {
    const NEXT: u16 = Descriptor::NEXT;
    const WRITE: u16 = Descriptor::WRITE;
    const INDIRECT: u16 = Descriptor::INDIRECT;
    let one = |address, len, flags, next| Descriptor {
        address,
        len,
        flags,
        next,
    };
    vec![
        ("a loop of one", vec![one(DATA, 16, NEXT, 0)], vec![0]),
        (
            "a loop of two",
            vec![one(DATA, 16, NEXT, 1), one(DATA, 16, NEXT | WRITE, 0)],
            vec![0, 1],
        ),
        (
            "a next beyond the table",
            vec![one(DATA, 16, NEXT, 0xffff)],
            vec![0],
        ),
        (
            "a head beyond the table",
            vec![one(DATA, 16, 0, 0)],
            vec![16, 0xffff, 0],
        ),
        (
            "data outside memory",
            vec![one(0x7fff_ffff_0000, 16, WRITE, 0)],
            vec![0],
        ),
        (
            "data that wraps",
            vec![one(u64::MAX - 3, 16, 0, 0)],
            vec![0],
        ),
        (
            "data in a device",
            vec![one(DEVICES, 512, WRITE, 0)],
            vec![0],
        ),
        (
            "4 GiB of data",
            vec![one(DATA, u32::MAX, WRITE, 0)],
            vec![0],
        ),
        ("no data at all", vec![one(DATA, 0, 0, 0)], vec![0]),
        (
            "data after what the device writes",
            vec![
                one(DATA, 16, NEXT | WRITE, 1),
                one(DATA, 512, NEXT, 2),
                one(DATA, 1, 0, 0),
            ],
            vec![0],
        ),
        (
            "an indirect table",
            vec![one(DATA, 32, INDIRECT, 0)],
            vec![0],
        ),
        (
            "an indirect table of odd size",
            vec![one(DATA, 33, INDIRECT, 0)],
            vec![0],
        ),
        (
            "indirect and next",
            vec![one(DATA, 32, INDIRECT | NEXT, 0)],
            vec![0],
        ),
        (
            "an indirect table outside memory",
            vec![one(u64::MAX, 4096, INDIRECT, 0)],
            vec![0],
        ),
        (
            "the same head for ever",
            vec![one(DATA, 16, 0, 0)],
            vec![0; 300],
        ),
    ]
}

#[test]
fn chains_that_loop_or_lie() -> Result<()> {
    require_kvm!();
    for (name, chain, heads) in wrong_chains() {
        let script = RINGS.fill(attack(Script::new(), 16, RINGS), &chain, &heads);
        // What an indirect descriptor would find: itself.
        let itself = Descriptor {
            address: DATA,
            len: 32,
            flags: Descriptor::INDIRECT,
            next: 0,
        };
        let script = script.memory(DATA, &itself.bytes().repeat(2));
        if let Err(error) = survives(script) {
            anyhow::bail!("{name}: {error}");
        }
    }
    Ok(())
}
