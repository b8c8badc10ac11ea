//! [`DiskWish`]: a disk as the user asks for it, `PATH` with options after it in any order.

use devices::disk::DiskAccess;
use devices::virtio::blk::MAX_QUEUES;
use std::path::PathBuf;
use std::str::FromStr;

/// A disk that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskWish {
    /// Its file or block device.
    pub path: PathBuf,
    /// Whether the guest may write.
    pub access: DiskAccess,
    /// What the guest drives it by.
    pub interface: DiskInterface,
}

/// What a guest drives a disk by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskInterface {
    /// A virtio-blk device of its own.
    Virtio {
        /// Queues for requests.
        queues: u16,
    },
    /// A place on the cable of the IDE controller.
    Ide,
}

/// What is wrong with the text of a disk.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiskSyntaxError {
    /// Nothing but options.
    #[error("a disk needs a path")]
    NoPath,
    /// Not a number of queues.
    #[error("{0:?} is not a number of queues: 1 to {MAX_QUEUES}")]
    Queues(String),
    /// A cable has no queues.
    #[error("a disk on IDE has no queues: leave `,ide` or `,queues=` away")]
    IdeQueues,
}

impl FromStr for DiskWish {
    type Err = DiskSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut path, mut access) = (text, DiskAccess::ReadWrite);
        let (mut is_ide, mut queues) = (false, None);
        // From the end, as a path may have commas.
        while let Some((before, option)) = path.rsplit_once(',') {
            match option.split_once('=') {
                None if option == "ro" => access = DiskAccess::ReadOnly,
                None if option == "ide" => is_ide = true,
                Some(("queues", number)) => queues = Some(number_of_queues(number)?),
                _ => break,
            }
            path = before;
        }
        let interface = match (is_ide, queues) {
            (true, Some(_)) => return Err(DiskSyntaxError::IdeQueues),
            (true, None) => DiskInterface::Ide,
            (false, queues) => DiskInterface::Virtio {
                queues: queues.unwrap_or(1),
            },
        };
        if path.is_empty() {
            return Err(DiskSyntaxError::NoPath);
        }
        Ok(Self {
            path: path.into(),
            access,
            interface,
        })
    }
}

fn number_of_queues(text: &str) -> Result<u16, DiskSyntaxError> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=MAX_QUEUES).contains(number))
        .ok_or_else(|| DiskSyntaxError::Queues(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, DiskAccess, DiskInterface), DiskSyntaxError> {
        let disk: DiskWish = text.parse()?;
        let path = disk.path.display().to_string();
        Ok((path, disk.access, disk.interface))
    }

    #[test]
    fn options_follow_the_path_in_any_order() {
        use DiskAccess::{ReadOnly, ReadWrite};
        let virtio = |queues| DiskInterface::Virtio { queues };
        let cases = [
            ("a", "a", ReadWrite, virtio(1)),
            ("a,ro", "a", ReadOnly, virtio(1)),
            ("a,ide,ro", "a", ReadOnly, DiskInterface::Ide),
            ("a,queues=8", "a", ReadWrite, virtio(8)),
            ("a,ro,queues=1", "a", ReadOnly, virtio(1)),
            ("a,queues=2,ro", "a", ReadOnly, virtio(2)),
            ("a,b=1,ro", "a,b=1", ReadOnly, virtio(1)),
            ("a,ro,b", "a,ro,b", ReadWrite, virtio(1)),
        ];
        for (text, path, access, interface) in cases {
            assert_eq!(parse(text), Ok((path.into(), access, interface)), "{text}");
        }
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        for queues in ["0", "9", "-1", "", "many", "65537"] {
            let expected = DiskSyntaxError::Queues(queues.into());
            assert_eq!(parse(&format!("a,queues={queues}")), Err(expected));
        }
        for text in ["a,ide,queues=1", "a,queues=2,ide"] {
            assert_eq!(parse(text), Err(DiskSyntaxError::IdeQueues), "{text}");
        }
        for text in ["", ",ro", ",queues=2"] {
            assert_eq!(parse(text), Err(DiskSyntaxError::NoPath), "{text}");
        }
    }
}
