//! What a user can get wrong: exit status 2 and one line that says what to do.

use anyhow::{Result, ensure};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tests::multiboot::{self, Format, Version};
use tests::{Builder, Kernel, Scratch, Script, TestVm, host, require_kvm};

fn refused(vm: Builder, words: &[&str]) -> Result<()> {
    let ended = vm.run()?.expect_line(2, words)?;
    ensure!(ended.stderr.starts_with("hostel: "), "{}", ended.stderr);
    ensure!(ended.stdout.is_empty(), "the guest ran: {}", ended.text());
    Ok(())
}

fn good() -> Kernel {
    Script::new().say("up").pvh()
}

fn with_kernel_file(path: &Path) -> Builder {
    TestVm::builder().arg(path)
}

#[test]
fn a_kernel_that_is_not_there_or_no_file() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let missing = scratch.path("missing");
    refused(
        with_kernel_file(&missing),
        &["kernel", "missing", "No such file"],
    )?;
    refused(
        with_kernel_file(scratch.folder()),
        &["kernel", "is not a file"],
    )
}

#[test]
fn a_kernel_that_is_no_kernel() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    for (name, bytes, words) in [
        ("empty", &b""[..], "it is empty"),
        ("script", b"#!/bin/sh\n", "no kernel that Hostel knows"),
        ("zeroes", &[0; 9000], "no kernel that Hostel knows"),
        ("packed", b"\x1f\x8b\x08", "compressed with gzip"),
    ] {
        let path = scratch.write(name, bytes)?;
        refused(with_kernel_file(&path), &["cannot be booted", words])?;
    }
    let mut other = good().image();
    other[18] = 40;
    let path = scratch.write("arm", &other)?;
    refused(with_kernel_file(&path), &["not one for x86"])
}

#[test]
fn a_kernel_that_is_cut_short() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let image = good().image();
    for (len, word) in [(70, "program headers"), (image.len() / 2, "cut short")] {
        let path = scratch.write("short", &image[..len])?;
        refused(with_kernel_file(&path), &[word])?;
    }
    Ok(())
}

#[test]
fn a_kernel_whose_headers_lie() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    // Offset in the file, bytes there, words of the error. The first program header is at 64.
    let lies: [(usize, &[u8], &str); 6] = [
        (32, &[0xff; 8], "program headers"),
        (54, &[1], "program headers of an unknown size"),
        (56, &[0xff; 2], "more program headers"),
        (64 + 8, &[0xff; 8], "cut short"),
        (64 + 32, &[0xff; 8], "larger in the file"),
        (64 + 40, &[0xff; 8], "does not fit"),
    ];
    for (at, bytes, words) in lies {
        let mut image = good().image();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        let path = scratch.write("lie", &image)?;
        refused(with_kernel_file(&path), &["cannot be booted", words])?;
    }
    let mut image = Script::new().linux64().image();
    image[24..32].copy_from_slice(&0x5_0000_u64.to_le_bytes());
    let path = scratch.write("entry", &image)?;
    refused(with_kernel_file(&path), &["entry point 0x50000"])
}

#[test]
fn a_kernel_that_does_not_fit() -> Result<()> {
    require_kvm!();
    let large = Script::new().memory(20 << 20, &[0; 4096]).pvh();
    let vm = TestVm::builder().kernel(&large).memory("16M");
    refused(vm, &["does not fit", "--memory"])?;
    let low = Kernel::pvh(&[0xf4]).data(0x7000, &[0; 16]);
    refused(
        TestVm::builder().kernel(&low),
        &["boot information", "link it elsewhere"],
    )
}

#[test]
fn an_initrd_that_does_not_fit_or_is_not_there() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let large = scratch.path("initrd");
    File::create(&large)?.set_len(200 << 20)?;
    let vm = |initrd: &Path| {
        TestVm::builder()
            .kernel(&good())
            .arg("--initrd")
            .arg(initrd)
    };
    refused(vm(&large), &["initrd of 209715200 bytes", "--memory"])?;
    refused(vm(&scratch.path("missing")), &["initrd", "No such file"])?;
    refused(vm(scratch.folder()), &["initrd", "is not a file"])
}

#[test]
fn modules_that_cannot_be() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let module = scratch.write("module", b"bytes")?;
    let linux = Script::new().linux64();
    let vm = |kernel: &Kernel, module: &Path| {
        let vm = TestVm::builder().kernel(kernel);
        vm.arg("--module").arg(module)
    };
    refused(vm(&linux, &module), &["takes no modules", "--initrd"])?;
    let missing = scratch.path("missing");
    refused(vm(&good(), &missing), &["module", "No such file"])?;
    let large = scratch.path("large");
    File::create(&large)?.set_len(200 << 20)?;
    refused(
        vm(&good(), &large),
        &["module of 209715200 bytes", "--memory"],
    )?;
    let words = format!("{} {}", module.display(), "x".repeat(30_000));
    refused(
        vm(&good(), Path::new(&words)),
        &["boot information", "give fewer"],
    )?;
    vm(&good(), &module).run()?.expect(0)?;
    Ok(())
}

#[test]
fn multiboot_kernels_that_lie() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    // Offset of the header in the file, of the field in the header, words of the error.
    for (version, format, at, words) in [
        (Version::One, Format::Elf32, 0x1004, "wrong checksum"),
        (Version::Two, Format::Elf64, 0x1008, "wrong checksum"),
        (
            Version::One,
            Format::Addresses,
            0x10,
            "below the address that it loads from",
        ),
        (Version::One, Format::Addresses, 0x1c, "entry point"),
        (
            Version::Two,
            Format::Addresses,
            0x3c,
            "below the address that it loads from",
        ),
    ] {
        let mut image = multiboot::image(version, format);
        image[at + 2] ^= 0x80;
        let path = scratch.write("lie", &image)?;
        refused(with_kernel_file(&path), &["cannot be booted", words])?;
    }
    let mut image = multiboot::image(Version::One, Format::Addresses);
    image.truncate(0x200);
    let path = scratch.write("cut", &image)?;
    refused(with_kernel_file(&path), &["larger than the file"])
}

#[test]
fn sizes_of_memory_that_cannot_be() -> Result<()> {
    require_kvm!();
    let vm = |memory: &str| TestVm::builder().kernel(&good()).memory(memory);
    refused(vm("0"), &["at least 16M"])?;
    refused(vm("1"), &["at least 16M"])?;
    refused(vm("lots"), &["such as 128M"])?;
    refused(vm("16777217"), &["multiple of 4K"])?;
    refused(vm("1000000G"), &["more than the", "this host has"])
}

#[test]
fn numbers_of_processors_that_cannot_be() -> Result<()> {
    require_kvm!();
    for cpus in ["0", "17", "1000", "-1", "two"] {
        let vm = TestVm::builder()
            .kernel(&good())
            .arg(format!("--cpus={cpus}"));
        refused(vm, &["--cpus", cpus])?;
    }
    Ok(())
}

#[test]
fn disks_that_cannot_be_used() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let vm = |disk: &Path| TestVm::builder().kernel(&good()).disk(disk);
    refused(
        vm(&scratch.path("missing")),
        &["does not exist", "truncate"],
    )?;
    refused(vm(scratch.folder()), &["a directory"])?;
    refused(
        vm(&scratch.write("odd", &[0; 1000])?),
        &["1000 bytes", "multiple of 512"],
    )?;
    refused(
        vm(&scratch.write("empty", &[])?),
        &["0 bytes", "multiple of 512"],
    )?;
    refused(vm(Path::new("/dev/null")), &["a character device"])?;
    let disk = scratch.write("disk", &[0; 4096])?;
    let mut many = vm(&disk);
    for copy in (0..40).map(|i| scratch.path(&format!("disk{i}"))) {
        std::fs::copy(&disk, &copy)?;
        many = many.disk(&copy);
    }
    refused(many, &["too many"])
}

#[test]
fn disks_on_ide_that_do_not_fit() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = scratch.write("disk", &[0; 4096])?;
    let vm = || TestVm::builder().kernel(&good()).ide_disk(&disk);
    refused(vm().transport("mmio"), &["IDE", "PCI", "--transport mmio"])?;
    refused(
        vm().ide_disk(&disk).ide_disk(&disk),
        &["3 disks on IDE", "at most 2"],
    )?;
    // The suite has one of its own.
    let suite = || TestVm::builder().arg("--suite").arg("ide");
    refused(suite().transport("mmio"), &["IDE", "--transport mmio"])?;
    refused(
        suite().ide_disk(&disk).ide_disk(&disk),
        &["3 disks on IDE", "at most 2"],
    )?;
    let both = TestVm::builder().kernel(&good());
    let both = both.arg("--disk").arg(scratch.path("no,ide,ro"));
    refused(both, &["no does not exist"])?;
    for (options, words) in [
        ("queues=0", "1 to 8"),
        ("queues=9", "1 to 8"),
        ("queues=2,ide", "IDE has no queues"),
    ] {
        let queues = TestVm::builder().kernel(&good());
        let queues = queues.arg("--disk").arg(format!("no,{options}"));
        refused(queues, &[words])?;
    }
    Ok(())
}

#[test]
fn a_disk_that_may_not_be_written() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = scratch.write("disk", &[0; 4096])?;
    std::fs::set_permissions(&disk, PermissionsExt::from_mode(0o444))?;
    if File::options().write(true).open(&disk).is_ok() {
        host::skip("root may write to every file");
    } else {
        let vm = TestVm::builder().kernel(&good()).disk(&disk);
        refused(vm, &["may not be written", ",ro"])?;
    }
    let vm = TestVm::builder().kernel(&good()).read_only_disk(&disk);
    vm.run()?.expect(0)?;
    Ok(())
}

#[test]
fn a_disk_that_another_hostel_uses() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = scratch.write("disk", &[0; 4096])?;
    let halted = Script::new().say("up").halt().pvh();
    let user = TestVm::builder().kernel(&halted).disk(&disk).boot()?;
    user.wait_for("up")?;
    refused(
        TestVm::builder().kernel(&good()).disk(&disk),
        &["in use by another Hostel"],
    )?;
    refused(
        TestVm::builder().kernel(&good()).read_only_disk(&disk),
        &["in use"],
    )?;
    drop(user);
    TestVm::builder()
        .kernel(&good())
        .disk(&disk)
        .run()?
        .expect(0)?;
    Ok(())
}

#[test]
fn read_only_disks_are_shared() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = scratch.write("disk", &[0; 4096])?;
    let halted = Script::new().say("up").halt().pvh();
    let reader = TestVm::builder()
        .kernel(&halted)
        .read_only_disk(&disk)
        .boot()?;
    reader.wait_for("up")?;
    TestVm::builder()
        .kernel(&good())
        .read_only_disk(&disk)
        .run()?
        .expect(0)?;
    refused(TestVm::builder().kernel(&good()).disk(&disk), &["in use"])
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_the_guest_starts() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let no_folder = scratch.path("missing").join("report");
    for path in [scratch.folder(), &no_folder] {
        let vm = TestVm::builder().kernel(&good()).arg("--report").arg(path);
        refused(vm, &["report cannot be written"])?;
    }
    Ok(())
}

#[test]
fn a_suite_that_does_not_exist() -> Result<()> {
    require_kvm!();
    let vm = TestVm::builder().arg("--suite").arg("nonsense");
    refused(vm, &["no suite \"nonsense\"", "or none"])
}

#[test]
fn command_lines_that_make_no_sense() -> Result<()> {
    require_kvm!();
    let vm = || TestVm::builder().kernel(&good());
    refused(vm().arg("--no-such-option"), &["--no-such-option"])?;
    refused(vm().arg("--suite").arg("default"), &["--suite"])?;
    refused(vm().arg("--timeout").arg("0"), &["--timeout"])?;
    refused(TestVm::builder().initrd(b"x"), &["KERNEL"])?;
    refused(
        vm().append(&"x".repeat(70_000)),
        &["command line has 70", "65535"],
    )
}
