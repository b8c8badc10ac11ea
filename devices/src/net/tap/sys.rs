//! The `ioctl` calls of a TAP (Linux Documentation/networking/tuntap.rst).
#![expect(unsafe_code, reason = "TAP ioctls have no safe wrapper")]

use std::ffi::{CStr, c_char, c_int, c_short, c_uint, c_ulong};
use std::fs::File;
use std::io;
use vmm_sys_util::ioctl::{ioctl_with_mut_ref, ioctl_with_ref, ioctl_with_val};

/// Whether there is a network interface of that name.
pub(super) fn interface_exists(name: &CStr) -> bool {
    // SAFETY: the name is a string that ends with a zero and lives during the call.
    unsafe { libc::if_nametoindex(name.as_ptr()) != 0 }
}

/// Attaches `file`, of /dev/net/tun, to the TAP of that name, which is made if it is not there;
/// returns the name, in which the kernel has replaced `%d`.
pub(super) fn attach(file: &File, name: &CStr, flags: c_int) -> io::Result<String> {
    let mut request = request(flags);
    let bytes = name.to_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, byte) in request.ifr_name.iter_mut().zip(bytes) {
        *to = c_char::from_ne_bytes([*byte]);
    }
    // SAFETY: TUNSETIFF reads and writes an `ifreq`, which `request` is.
    let result = unsafe { ioctl_with_mut_ref(file, libc::TUNSETIFF, &mut request) };
    checked(result)?;
    let bytes = request.ifr_name.map(|c| c.to_ne_bytes()[0]);
    let name = CStr::from_bytes_until_nul(&bytes).map_err(io::Error::other)?;
    Ok(name.to_string_lossy().into_owned())
}

/// Chooses the length of the header before each packet.
pub(super) fn set_header_bytes(file: &File, bytes: usize) -> io::Result<()> {
    let bytes = c_int::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    checked(unsafe { ioctl_with_ref(file, libc::TUNSETVNETHDRSZ, &bytes) })
}

/// Chooses what may be left open in packets that are read (`TUN_F_*`).
pub(super) fn set_offload(file: &File, flags: c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes a number.
    checked(unsafe { ioctl_with_val(file, libc::TUNSETOFFLOAD, c_ulong::from(flags)) })
}

/// Attaches or detaches a queue of a TAP with several (`IFF_ATTACH_QUEUE`, `IFF_DETACH_QUEUE`).
pub(super) fn set_queue(file: &File, flag: c_int) -> io::Result<()> {
    let request = request(flag);
    // SAFETY: TUNSETQUEUE reads an `ifreq`, which `request` is.
    checked(unsafe { ioctl_with_ref(file, libc::TUNSETQUEUE, &request) })
}

fn request(flags: c_int) -> libc::ifreq {
    // All flags used here are among the low 16 bits, of which a short is made.
    let [low, high, ..] = flags.to_ne_bytes();
    let nothing = libc::__c_anonymous_ifru_map {
        mem_start: 0,
        mem_end: 0,
        base_addr: 0,
        irq: 0,
        dma: 0,
        port: 0,
    };
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_map: nothing },
    };
    request.ifr_ifru.ifru_flags = c_short::from_ne_bytes([low, high]);
    request
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
