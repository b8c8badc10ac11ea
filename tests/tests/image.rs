//! The kernel's image holds no instruction that software KVM cannot execute in ring 0.

use anyhow::{Result, ensure};
use std::process::Command;
use tests::disassembly::{has_objdump, instructions, of_bytes, of_image, violations};
use tests::{Scratch, binary, host, machine_code};

machine_code!(
    /// One of each that the checker is to find.
    fn forbidden {
        "xorps %xmm1, %xmm0"
        "pxor %xmm1, %xmm0"
        "movd %eax, %xmm0"
        "movq %rax, %xmm0"
        "movss (%rax), %xmm0"
        "movsd (%rax), %xmm0"
        "punpcklbw %xmm1, %xmm0"
        "pshufd $0, %xmm1, %xmm0"
        "cvtsi2sd %eax, %xmm0"
        "ldmxcsr (%rax)"
        "stmxcsr (%rax)"
        "vmovaps %ymm0, %ymm1"
        "vpxor %xmm0, %xmm1, %xmm2"
        "pand %mm0, %mm1"
        "popcnt %rax, %rax"
        "lock cmpxchg16b (%rsi)"
        "crc32b %al, %ecx"
        "movbe (%rax), %ecx"
        "rdtscp"
        "rdpmc"
        "monitor"
        "mwait"
        "xsave (%rax)"
        "xsaveopt (%rax)"
        "xrstor (%rax)"
        "mulx %rax, %rbx, %rcx"
        "shlx %rax, %rbx, %rcx"
        "andn %rax, %rbx, %rcx"
        "bzhi %rax, %rbx, %rcx"
        "pdep %rax, %rbx, %rcx"
        "rorx $3, %rax, %rcx"
        "bextr %rax, %rbx, %rcx"
        "int3"
        "int $0x80"
        "sysretq"
        "mov %rax, -8(%rsp)"
        "mov -0x80(%rsp), %rax"
        "movb $1, -1(%rsp,%rcx,8)"
        // The last one is not int3, which at the end would be padding.
        "lock incl -4(%rsp)"
    }
);

machine_code!(
    /// What is like them, and is allowed.
    fn allowed {
        "movaps %xmm0, (%rax)"
        "movups (%rax), %xmm1"
        "movdqa %xmm0, (%rax)"
        "movdqu (%rax), %xmm1"
        "movntps %xmm0, (%rax)"
        "fxsave (%rax)"
        "fxrstor (%rax)"
        "fninit"
        "lea -8(%rsp), %rax"
        "mov 8(%rsp), %rax"
        "mov -8(%rbp), %rax"
        "push %rax"
        "iretq"
        "syscall"
        "swapgs"
        "rdtsc"
        "invlpg (%rax)"
        "lock cmpxchg %rax, (%rdi)"
        "rep stosq"
        "bsf %rax, %rax"
        "int3"
        "int3"
    }
);

fn check(code: &[u8]) -> Result<(usize, Vec<String>)> {
    let scratch = Scratch::new()?;
    let listing = of_bytes(&scratch.write("code", code)?)?;
    Ok((instructions(&listing).len(), violations(&listing)))
}

#[test]
fn the_checker_finds_each_forbidden_instruction() -> Result<()> {
    if !has_objdump() {
        host::skip("objdump is not installed");
        return Ok(());
    }
    let (count, found) = check(forbidden())?;
    ensure!(
        found.len() == count && count == 39,
        "{} of {count}: {found:#?}",
        found.len()
    );
    Ok(())
}

#[test]
fn the_checker_lets_the_others_pass() -> Result<()> {
    if !has_objdump() {
        host::skip("objdump is not installed");
        return Ok(());
    }
    let (count, found) = check(allowed())?;
    ensure!(count == 20, "{count} without the padding");
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

#[test]
fn the_kernel_image_holds_none_of_them() -> Result<()> {
    if !has_objdump() {
        host::skip("objdump is not installed");
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let mut export = Command::new(binary::hostel());
    let export = export
        .args(["guest", "export"])
        .arg(scratch.folder())
        .output()?;
    ensure!(
        export.status.success(),
        "{}",
        String::from_utf8_lossy(&export.stderr)
    );
    let listing = of_image(&scratch.path("kernel"))?;
    let count = instructions(&listing).len();
    ensure!(count > 1000, "only {count} instructions: is it the kernel?");
    let found = violations(&listing);
    ensure!(
        found.is_empty(),
        "{} of {count}:\n{}",
        found.len(),
        found.join("\n")
    );
    Ok(())
}
