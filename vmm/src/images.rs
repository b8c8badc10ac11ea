//! Files and bytes that go into the guest's memory before it starts: kernel, initrd, modules. Each
//! is read once, straight to where it goes.

use crate::boot::{Free, KernelError, Loaded, Module, ModuleError, Takes, kernel};
use crate::memory::GuestMemory;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::io::Cursor;

/// Where a kernel or an initrd comes from.
pub enum Image {
    /// A file.
    File(File),
    /// Bytes that are part of this program, or were made for this VM.
    Bytes(Cow<'static, [u8]>),
}

impl Image {
    /// In bytes.
    pub(crate) fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// An initrd or module, with the words that come with it.
pub struct ModuleImage {
    /// What is loaded.
    pub image: Image,
    /// Words; by them multiboot kernels know their modules.
    pub words: String,
}

/// Loads the kernel, which is a flat image for that address if there is one.
pub(crate) fn load_kernel(
    memory: &GuestMemory,
    image: Image,
    flat: Option<u64>,
) -> Result<Loaded, KernelError> {
    match image {
        Image::File(mut file) => kernel::load(memory, &mut file, flat),
        Image::Bytes(bytes) => kernel::load(memory, &mut Cursor::new(bytes), flat),
    }
}

/// Loads what the kernel takes, the initrd first.
pub(crate) fn load_modules(
    memory: &GuestMemory,
    kernel: &Loaded,
    initrd: Option<ModuleImage>,
    modules: Vec<ModuleImage>,
) -> Result<Vec<Module>, ModuleError> {
    let takes_none = |what, instead| ModuleError::TakesNone {
        protocol: kernel.protocol.name(),
        what,
        instead,
    };
    let takes = kernel.protocol.takes();
    if initrd.is_some() && takes < Takes::Initrd {
        return Err(takes_none("initrd", "put it into the image"));
    }
    if !modules.is_empty() && takes < Takes::Modules {
        let instead = "those that start by multiboot or PVH do; give an initrd with --initrd";
        return Err(takes_none("modules", instead));
    }
    let mut free = Free::beside(memory, kernel);
    let initrd = initrd.into_iter().map(|module| ("initrd", module));
    let modules = modules.into_iter().map(|module| ("module", module));
    initrd
        .chain(modules)
        .map(|(what, module)| load_module(memory, &mut free, what, module))
        .collect()
}

fn load_module(
    memory: &GuestMemory,
    free: &mut Free,
    what: &'static str,
    module: ModuleImage,
) -> Result<Module, ModuleError> {
    let range = match module.image {
        Image::File(mut file) => {
            let metadata = file.metadata();
            let size = metadata
                .map_err(|error| ModuleError::Read(what, error))?
                .len();
            free.load(memory, what, &mut file, size)
        }
        Image::Bytes(bytes) => free.load(memory, what, &mut &*bytes, bytes.len() as u64),
    };
    let words = module.words;
    Ok(Module {
        range: range?,
        words,
    })
}
