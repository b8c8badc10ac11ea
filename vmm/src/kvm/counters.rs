//! [`KernelCounters`]: what KVM itself counts of a vCPU (KVM api.rst 4.134, binary statistics).

use super::VcpuError;
use kvm_bindings::KVMIO;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use vmm_sys_util::ioctl::ioctl;
use vmm_sys_util::ioctl_io_nr;

ioctl_io_nr!(KVM_GET_STATS_FD, KVMIO, 0xce);

/// Those of interest, by KVM's names: exits to KVM, page faults that it took, instructions that
/// it interpreted, flushes of the guest's translations, interrupts.
const NAMES: [&str; 6] = [
    "exits",
    "pf_taken",
    "insn_emulation",
    "tlb_flush",
    "invlpg",
    "irq_injections",
];

/// Bytes of the header, and of a descriptor before its name.
const HEADER_BYTES: usize = 24;
const DESCRIPTOR_BYTES: usize = 16;
/// More than that is no such file.
const MAX_DESCRIPTORS: u32 = 4096;
const MAX_NAME_BYTES: u32 = 256;

/// Counters of one vCPU, which may be read by any thread at any time.
pub struct KernelCounters {
    file: File,
    /// Where in the file each is.
    places: Vec<(&'static str, u64)>,
}

impl KernelCounters {
    /// Those of the vCPU behind `vcpu`, which is not running.
    pub(super) fn open(vcpu: &impl AsRawFd) -> Result<Self, VcpuError> {
        let refused = VcpuError::at("count for us");
        // SAFETY: KVM_GET_STATS_FD takes no argument.
        let fd = unsafe { ioctl(vcpu, KVM_GET_STATS_FD()) };
        if fd < 0 {
            return Err(refused(kvm_ioctls::Error::last()));
        }
        // SAFETY: the descriptor is new, and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        let places = places(&file);
        let places = places.map_err(|error| {
            refused(kvm_ioctls::Error::new(
                error.raw_os_error().unwrap_or(libc::EIO),
            ))
        })?;
        Ok(Self { file, places })
    }

    /// Their values now; one that cannot be read is left out.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.places.iter().filter_map(|(name, place)| {
            let mut value = [0; 8];
            let read = self.file.read_exact_at(&mut value, *place);
            read.ok().map(|()| (*name, u64::from_ne_bytes(value)))
        })
    }
}

/// Reads the file's description of itself.
fn places(file: &File) -> io::Result<Vec<(&'static str, u64)>> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0)?;
    let [_flags, name_bytes, count, _id, descriptors, data] =
        [0, 4, 8, 12, 16, 20].map(|at| word(&header, at));
    if name_bytes > MAX_NAME_BYTES || count > MAX_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut descriptor = vec![0; DESCRIPTOR_BYTES + name_bytes as usize];
    let mut places = Vec::new();
    for index in 0..u64::from(count) {
        let at = u64::from(descriptors) + index * descriptor.len() as u64;
        file.read_exact_at(&mut descriptor, at)?;
        let name = descriptor[DESCRIPTOR_BYTES..].split(|byte| *byte == 0);
        let name = name.into_iter().next().unwrap_or_default();
        if let Some(known) = NAMES.into_iter().find(|known| known.as_bytes() == name) {
            // Flags, exponent and size are before the offset.
            places.push((known, u64::from(data) + u64::from(word(&descriptor, 8))));
        }
    }
    Ok(places)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_ne_bytes(bytes.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file as KVM's with these counters.
    fn file(counters: &[(&str, u64)], name_bytes: u32) -> File {
        let count = counters.len() as u32;
        let data = 24 + count * (16 + name_bytes);
        let mut bytes: Vec<u8> = [0, name_bytes, count, 0, 24, data]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        for (index, (name, _)) in (0..).zip(counters) {
            let words: [u32; 4] = [0, 0, 8 * index, 0];
            bytes.extend(words.into_iter().flat_map(u32::to_ne_bytes));
            let end = bytes.len() + name_bytes as usize;
            bytes.extend(name.bytes());
            bytes.resize(end, 0);
        }
        bytes.extend(counters.iter().flat_map(|(_, value)| value.to_ne_bytes()));
        let mut file = vmm_sys_util::tempfile::TempFile::new().unwrap().into_file();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn counters_are_found_by_their_names() {
        let file = file(&[("halt_exits", 3), ("exits", 7), ("pf_taken", 9)], 48);
        let places = places(&file).unwrap();
        let counters = KernelCounters { file, places };
        assert_eq!(
            counters.read().collect::<Vec<_>>(),
            [("exits", 7), ("pf_taken", 9)]
        );
    }

    #[test]
    fn a_file_that_is_cut_or_makes_no_sense_is_refused() {
        let whole = file(&[("exits", 7)], 48);
        whole.set_len(30).unwrap();
        assert!(places(&whole).is_err());
        assert!(places(&file(&[("exits", 7)], 1 << 20)).is_err());
    }
}
