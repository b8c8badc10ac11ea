//! [`Archive`]: an initramfs in the making, cpio's newc format (Linux buffer-format.rst).

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_777;

/// Members so far.
#[derive(Clone, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    members: u32,
}

impl Archive {
    /// Adds a folder, whose parent is there.
    pub fn folder(&mut self, name: &str) {
        self.member(name, FOLDER, &[]);
    }

    /// Adds a program of those bytes.
    pub fn program(&mut self, name: &str, bytes: &[u8]) {
        self.member(name, FILE | 0o755, bytes);
    }

    /// Adds a file of those bytes.
    pub fn file(&mut self, name: &str, bytes: &[u8]) {
        self.member(name, FILE | 0o644, bytes);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, name: &str, to: &str) {
        self.member(name, LINK, to.as_bytes());
    }

    /// Adds a folder of this machine with all that is in it.
    pub fn tree(&mut self, from: &Path, name: &str) -> Result<()> {
        self.folder(name);
        let mut entries = fs::read_dir(from)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| from.display().to_string())?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.tree(&entry.path(), &name)?;
            } else if kind.is_symlink() {
                self.link(&name, &fs::read_link(entry.path())?.to_string_lossy());
            } else {
                let mode = entry.metadata()?.permissions().mode() & 0o777;
                self.member(&name, FILE | mode, &fs::read(entry.path())?);
            }
        }
        Ok(())
    }

    /// The archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.member("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn member(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.members += 1;
        let size = u32::try_from(data.len()).expect("files of a test are small");
        let name_size = name.len() as u32 + 1;
        // Number, mode, user, group, links, time, size, four of devices, length of the name, sum.
        let fields = [
            self.members,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        let len = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(len, 0);
    }
}
