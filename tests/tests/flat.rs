//! Flat 16-bit images start in real mode where the user says.

use anyhow::{Context, Result, ensure};
use tests::{Scratch, TestVm, machine_code, require_kvm};

machine_code!(
    /// Sends what it starts with: cs, ip, ss, sp, ds, dx and eflags as words, the bytes before its
    /// end, which it reads by ds where that is its segment; calls an interrupt, and ends.
    fn say_registers {
        ".code16"
        "pushf"
        "push %cs"
        "call 1f"
        "1: push %ss"
        "push %sp"
        "push %ds"
        "push %dx"
        // There is no BIOS: a call of its video comes back with carry.
        "mov $0x0e41, %ax"
        "clc"
        "int $0x10"
        "jnc 3f"
        "mov %sp, %bp"
        "mov $0x3f8, %dx"
        "mov $7, %cx"
        "2: mov (%bp), %al"
        "out %al, %dx"
        "mov 1(%bp), %al"
        "out %al, %dx"
        "add $2, %bp"
        "loop 2b"
        "mov $0x501, %dx"
        "xor %al, %al"
        "out %al, %dx"
        "3: hlt"
        "jmp 3b"
    }
);

/// Bytes from the start of the image to the instruction behind its call.
const CALL_END: u16 = 5;

struct Registers {
    dx: u16,
    ds: u16,
    sp: u16,
    ss: u16,
    ip: u16,
    cs: u16,
    flags: u16,
}

fn start(address: &str) -> Result<Registers> {
    let scratch = Scratch::new()?;
    let image = scratch.write("image", say_registers())?;
    let vm = TestVm::builder().arg(image).arg("--flat").arg(address);
    let bytes = vm.run()?.expect(0)?.stdout;
    let words: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|word| u16::from_le_bytes([word[0], word[1]]))
        .collect();
    let words: [u16; 7] = words.try_into().ok().context("not seven words")?;
    let [dx, ds, sp, ss, ip, cs, flags] = words;
    Ok(Registers {
        dx,
        ds,
        // Five words were pushed before it.
        sp: sp.wrapping_add(8),
        ss,
        ip: ip - CALL_END,
        cs,
        flags,
    })
}

#[test]
fn a_boot_sector_starts_as_a_bios_would_start_it() -> Result<()> {
    require_kvm!();
    let registers = start("0x7c00")?;
    ensure!((registers.cs, registers.ip) == (0, 0x7c00), "cs:ip");
    ensure!(registers.dx & 0xff == 0x80, "dl {:#x}", registers.dx);
    ensure!(
        (registers.ss, registers.sp) == (0, 0x7c00),
        "ss:sp {:#x}",
        registers.sp
    );
    ensure!(registers.ds == 0, "ds {:#x}", registers.ds);
    ensure!(registers.flags & 0x200 == 0, "interrupts are on");
    Ok(())
}

#[test]
fn an_image_beyond_64_kib_has_segments_of_its_own() -> Result<()> {
    require_kvm!();
    let registers = start("0x20010")?;
    ensure!((registers.cs, registers.ip) == (0x2001, 0), "cs:ip");
    ensure!(registers.ds == 0x2001, "ds {:#x}", registers.ds);
    ensure!(
        (registers.ss, registers.sp) == (0x1001, 0xfffe),
        "ss:sp {:#x}",
        registers.sp
    );
    Ok(())
}

#[test]
fn an_image_that_real_mode_does_not_reach_is_refused() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let image = scratch.write("image", say_registers())?;
    let vm = |address: &str| TestVm::builder().arg(&image).arg("--flat").arg(address);
    for address in ["0", "0x500", "0x9fbff", "0x100000", "0xffffffffffffffff"] {
        let words = ["flat image", "0x600 and 0x9fc00"];
        vm(address).run()?.expect_line(2, &words)?;
    }
    vm("7c00").run()?.expect_line(2, &["--flat", "0x7c00"])?;
    vm("0x7c00")
        .append("words")
        .run()?
        .expect_line(2, &["--append", "--flat"])?;
    Ok(())
}
