//! Runs inside a Linux guest, linked statically: gives and takes checked bytes, over its standard
//! input and output or over vsock, which busybox does not know.
#![expect(unsafe_code, reason = "socket and connect of AF_VSOCK")]

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use tests::pattern;

const USAGE: &str = "agent give|take SEED BYTES [VSOCK-PORT]";

/// A stream to a port of the host.
fn connect(port: u32) -> io::Result<File> {
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
        svm_cid: libc::VMADDR_CID_HOST,
        svm_zero: [0; 4],
    };
    let len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is one of the family, and as long as said.
    let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket.into())
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, seed, bytes, port @ ..] = args.as_slice() else {
        bail!(USAGE);
    };
    let (seed, bytes) = (seed.parse()?, bytes.parse()?);
    let stream = match port {
        [] => None,
        [port] => Some(connect(port.parse()?).context("the host does not listen")?),
        _ => bail!(USAGE),
    };
    match (verb.as_str(), stream) {
        ("give", None) => pattern::give(io::stdout().lock(), seed, bytes)?,
        ("take", None) => pattern::take(io::stdin().lock(), seed, bytes)?,
        ("give", Some(stream)) => pattern::give(stream, seed, bytes)?,
        ("take", Some(stream)) => pattern::take(stream, seed, bytes)?,
        _ => bail!(USAGE),
    }
    ensure!(verb == "give" || bytes > 0, "nothing was asked for");
    Ok(())
}
