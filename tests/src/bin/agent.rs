//! Runs inside a Linux guest, linked statically: gives and takes checked bytes, over its standard
//! input and output, a disk, TCP, or vsock, which busybox does not know; reads a disk as fast as
//! it can; says what a network card's driver leaves to the card.
#![expect(unsafe_code, reason = "sockets of AF_VSOCK, aligned memory, ethtool")]

use anyhow::{Context, Result, bail};
use std::alloc::Layout;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::ptr;
use std::time::{Duration, Instant};
use tests::pattern;

const USAGE: &str = "agent give|take SEED BYTES [disk DEVICE|tcp ADDRESS:PORT|vsock PORT|\
                     listen PORT], agent disk DEVICE SECONDS, or agent offloads INTERFACE";

/// Size of a read at random, and of one in order.
const RANDOM_BYTES: usize = 4 << 10;
const ORDERED_BYTES: usize = 1 << 20;

/// Memory at a multiple of a page, as O_DIRECT wants it; it is never given back.
fn aligned(bytes: usize) -> &'static mut [u8] {
    let layout = Layout::from_size_align(bytes, 4096).expect("a page is a power of two");
    // SAFETY: the layout has a size; the memory is zeroed and nobody else's.
    unsafe {
        let start = std::alloc::alloc_zeroed(layout);
        assert!(!start.is_null(), "no memory");
        std::slice::from_raw_parts_mut(start, bytes)
    }
}

/// Reads a second as fast as the disk gives them, one at a time: at random and in order.
fn disk(path: &str, seconds: u64) -> Result<()> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)?;
    let size = (&file).seek(SeekFrom::End(0))?;
    let rate = |bytes: usize, next: &mut dyn FnMut() -> u64| -> Result<f64> {
        let buffer = aligned(bytes);
        let (start, mut reads) = (Instant::now(), 0_u64);
        while start.elapsed() < Duration::from_secs(seconds) {
            file.read_exact_at(buffer, next())?;
            reads += 1;
        }
        Ok(reads as f64 / start.elapsed().as_secs_f64())
    };
    let mut state = 1_u64;
    let random = rate(RANDOM_BYTES, &mut || {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % (size / RANDOM_BYTES as u64) * RANDOM_BYTES as u64
    })?;
    let mut at = 0;
    let ordered = rate(ORDERED_BYTES, &mut || {
        let here = at;
        at = (at + ORDERED_BYTES as u64) % size;
        here
    })?;
    println!("random: {random:.1}");
    println!("ordered: {ordered:.2}");
    Ok(())
}

/// One of ethtool's settings: 0 or 1.
#[repr(C)]
struct Setting {
    command: u32,
    value: u32,
}

/// Reads or writes a setting of an interface (linux/ethtool.h).
fn ethtool(interface: &str, command: u32, value: u32) -> io::Result<u32> {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let mut setting = Setting { command, value };
    // SAFETY: plain numbers and a pointer, for which zeroes will do.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, byte) in request.ifr_name[..room].iter_mut().zip(interface.bytes()) {
        *to = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut setting).cast();
    // SAFETY: the request names a setting of the form that such commands have, which outlives it.
    match unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) } {
        0 => Ok(setting.value),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the driver leave the check of received packets to its card, and says what it leaves to it.
fn offloads(interface: &str) -> Result<()> {
    const SET_RX_CHECKSUMS: u32 = 0x15;
    const GET: [(&str, u32); 4] = [("rx", 0x14), ("tx", 0x16), ("sg", 0x18), ("tso", 0x1e)];
    ethtool(interface, SET_RX_CHECKSUMS, 1).context("checks of received packets")?;
    let mut line = "offloads:".to_owned();
    for (name, command) in GET {
        let value = ethtool(interface, command, 0).context(name)?;
        line = format!("{line} {name} {value}");
    }
    println!("{line}");
    Ok(())
}

/// A stream to a port of the host, or of the first program of the host that comes to the guest's.
fn vsock(cid: u32, port: u32) -> io::Result<File> {
    // SAFETY: plain numbers.
    let fd = unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let address = libc::sockaddr_vm {
        svm_family: libc::AF_VSOCK as libc::sa_family_t,
        svm_reserved1: 0,
        svm_port: port,
        svm_cid: cid,
        svm_zero: [0; 4],
    };
    let len = size_of_val(&address) as libc::socklen_t;
    let (fd, address) = (socket.as_raw_fd(), (&raw const address).cast());
    // SAFETY: the address is one of the family, and as long as said.
    let result = unsafe {
        match cid {
            libc::VMADDR_CID_ANY => match libc::bind(fd, address, len) | libc::listen(fd, 1) {
                0 => libc::accept(fd, ptr::null_mut(), ptr::null_mut()),
                error => error,
            },
            _ => libc::connect(fd, address, len),
        }
    };
    match result {
        0 => Ok(socket.into()),
        // SAFETY: the descriptor is fresh and nobody else's.
        1.. => Ok(unsafe { OwnedFd::from_raw_fd(result) }.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A disk past the page cache, or a stream to the host.
fn open(kind: &str, name: &str) -> Result<File> {
    match kind {
        "disk" => Ok(File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(name)?),
        "tcp" => Ok(OwnedFd::from(TcpStream::connect(name)?).into()),
        "vsock" => Ok(vsock(libc::VMADDR_CID_HOST, name.parse()?)?),
        "listen" => Ok(vsock(libc::VMADDR_CID_ANY, name.parse()?)?),
        _ => bail!(USAGE),
    }
}

/// Gives or takes, and says on standard error how fast.
fn transfer(verb: &str, seed: u64, bytes: u64, other: Option<File>) -> Result<()> {
    let start = Instant::now();
    match (verb, &other) {
        ("give", None) => pattern::give(io::stdout().lock(), seed, bytes)?,
        ("take", None) => pattern::take(io::stdin().lock(), seed, bytes)?,
        ("give", Some(other)) => pattern::give(other, seed, bytes)?,
        ("take", Some(other)) => pattern::take(other, seed, bytes)?,
        _ => bail!(USAGE),
    }
    if let Some(disk) = other.filter(|_| verb == "give") {
        // A stream has nothing to write out.
        match disk.sync_all() {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error.into()),
            _ => {}
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let mib = bytes as f64 / f64::from(1 << 20);
    eprintln!(
        "agent: {verb} {mib} MiB in {seconds:.1} s, {:.1} MiB/s",
        mib / seconds
    );
    Ok(())
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["offloads", interface] => offloads(interface),
        ["disk", device, seconds] => disk(device, seconds.parse()?),
        [verb, seed, bytes] => transfer(verb, seed.parse()?, bytes.parse()?, None),
        [verb, seed, bytes, kind, name] => {
            let other = open(kind, name).with_context(|| format!("{kind} {name}"))?;
            transfer(verb, seed.parse()?, bytes.parse()?, Some(other))
        }
        _ => bail!(USAGE),
    }
}
