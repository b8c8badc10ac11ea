//! [`Kernel`]: machine code and data as an ELF64 file that Hostel boots.

/// Makes `fn NAME() -> &'static [u8]`, the machine code of the lines (AT&T syntax).
///
/// The code is linked nowhere: it refers to itself by relative jumps, and to data by fixed
/// addresses. `.code32` is for a kernel that starts by PVH.
#[macro_export]
macro_rules! machine_code {
    ($(#[$doc:meta])* $vis:vis fn $name:ident { $($line:literal)+ }) => {
        #[expect(unsafe_code, reason = "names the ends of assembled bytes")]
        mod $name {
            ::core::arch::global_asm!(
                ".pushsection .rodata.machine_code, \"a\", @progbits",
                ".balign 64",
                concat!(".hidden machine_code_", stringify!($name)),
                concat!(".hidden machine_code_end_", stringify!($name)),
                concat!(".globl machine_code_", stringify!($name)),
                concat!(".globl machine_code_end_", stringify!($name)),
                concat!("machine_code_", stringify!($name), ":"),
                $($line,)+
                concat!("machine_code_end_", stringify!($name), ":"),
                ".code64",
                ".popsection",
                options(att_syntax)
            );
            unsafe extern "C" {
                #[link_name = concat!("machine_code_", stringify!($name))]
                safe static START: u8;
                #[link_name = concat!("machine_code_end_", stringify!($name))]
                safe static END: u8;
            }

            pub(super) fn bytes() -> &'static [u8] {
                let (start, end) = (&raw const START, &raw const END);
                // SAFETY: both labels are of the one section above, the end after the start.
                unsafe { ::core::slice::from_raw_parts(start, end.addr() - start.addr()) }
            }
        }
        $(#[$doc])*
        $vis fn $name() -> &'static [u8] {
            $name::bytes()
        }
    };
}

/// Where a kernel's code starts.
pub(crate) const CODE: u64 = 0x10_0000;

const EHDR_BYTES: u64 = 64;
const PHDR_BYTES: u64 = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// XEN_ELFNOTE_PHYS32_ENTRY.
const PVH_NOTE: u32 = 18;

/// An ELF file in the making.
#[derive(Clone, Debug)]
pub struct Kernel {
    pvh: bool,
    segments: Vec<(u64, Vec<u8>)>,
}

impl Kernel {
    /// Code at 1 MiB that is entered by PVH: 32-bit, flat, the start info in ebx.
    pub fn pvh(code: &[u8]) -> Self {
        let segments = vec![(CODE, code.to_vec())];
        Self {
            pvh: true,
            segments,
        }
    }

    /// Code at 1 MiB that is entered by Linux's 64-bit protocol, the zero page in rsi.
    pub fn linux64(code: &[u8]) -> Self {
        let pvh = false;
        Self {
            pvh,
            ..Self::pvh(code)
        }
    }

    /// Bytes at a physical address.
    pub fn data(mut self, address: u64, bytes: &[u8]) -> Self {
        self.segments.push((address, bytes.to_vec()));
        self
    }

    /// The file.
    pub fn image(&self) -> Vec<u8> {
        let note = self.pvh.then(note);
        let phdrs = self.segments.len() + usize::from(note.is_some());
        let mut headers = ehdr(phdrs);
        let mut contents = Vec::new();
        let start = EHDR_BYTES + phdrs as u64 * PHDR_BYTES;
        let notes = note.map(|note| (PT_NOTE, 0, note));
        let loads = self.segments.iter().cloned();
        for (kind, address, bytes) in loads.map(|(at, bytes)| (PT_LOAD, at, bytes)).chain(notes) {
            let offset = start + contents.len() as u64;
            headers.extend(phdr(kind, offset, address, bytes.len() as u64));
            contents.extend(bytes);
            contents.resize(contents.len().next_multiple_of(8), 0);
        }
        headers.extend(contents);
        headers
    }
}

fn ehdr(phdrs: usize) -> Vec<u8> {
    let phnum = u16::try_from(phdrs).expect("a handful");
    let mut ehdr = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, EM_X86_64, version, entry, phoff, shoff, flags.
    ehdr.extend([2_u8, 0, 62, 0, 1, 0, 0, 0]);
    ehdr.extend([CODE, EHDR_BYTES, 0].map(u64::to_le_bytes).concat());
    ehdr.extend([0; 4]);
    // ehsize, phentsize, phnum, shentsize, shnum, shstrndx.
    ehdr.extend([64, 56, phnum, 64, 0, 0].map(u16::to_le_bytes).concat());
    ehdr
}

fn phdr(kind: u32, offset: u64, address: u64, size: u64) -> Vec<u8> {
    const READ_WRITE_EXECUTE: u32 = 7;
    let head = [kind, READ_WRITE_EXECUTE].map(u32::to_le_bytes).concat();
    let fields = [offset, address, address, size, size, 4];
    [head, fields.map(u64::to_le_bytes).concat()].concat()
}

/// The note that names the PVH entry point (Xen pvh.rst).
fn note() -> Vec<u8> {
    let entry = u32::try_from(CODE).expect("1 MiB");
    let head = [4, 4, PVH_NOTE].map(u32::to_le_bytes).concat();
    [head, b"Xen\0".to_vec(), entry.to_le_bytes().to_vec()].concat()
}
