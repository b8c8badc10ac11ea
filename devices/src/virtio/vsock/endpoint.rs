//! [`Endpoint`]: where host programs meet the guest's sockets: a Unix socket at a path to connect
//! to, and others beside it, a port each, that the guest's connections go to.
//!
//! Two VMs must not share a path. Whoever finds a socket there connects to it: only one that
//! nobody listens on is replaced. The folder is locked meanwhile, so that of two VMs that start
//! at once one is refused.

use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Longest path of a socket, in bytes (unix(7): 108 with a zero), less `_` and a port.
const MAX_PATH_BYTES: usize = 107 - "_4294967295".len();

/// Why there is no socket, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Another VM, or another program, listens there.
    #[error("vsock socket {0} is in use by another Hostel: end that one, or give another path")]
    InUse(PathBuf),
    /// There is something else at that path.
    #[error("vsock socket {0} is there already and is no socket: remove it, or give another path")]
    NotASocket(PathBuf),
    /// The path does not fit into an address.
    #[error(
        "vsock socket {path} has a path of {} bytes, more than {MAX_PATH_BYTES}: give a shorter one",
        path.as_os_str().len()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// Anything else.
    #[error("vsock socket {path} cannot be made: give a path in a folder that you may write to")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The listening socket and its path, which goes when this is dropped.
#[derive(Debug)]
pub struct Endpoint {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket file.
    identity: (u64, u64),
}

impl Endpoint {
    /// Listens at `path`, in place of a socket that a VM has left there.
    pub fn bind(path: &Path) -> Result<Self, EndpointError> {
        let at = || path.to_owned();
        if path.as_os_str().len() > MAX_PATH_BYTES {
            return Err(EndpointError::TooLong { path: at() });
        }
        let failed = |source| EndpointError::Io { path: at(), source };
        // Unlocked when it is closed. A folder that may not be read cannot be locked, nor need be.
        let folder = File::open(folder_of(path)).and_then(|folder| folder.lock().map(|()| folder));
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                remove_left_over(path)?;
                UnixListener::bind(path)
            }
            bound => bound,
        };
        let listener = listener.map_err(failed)?;
        let identity = fs::symlink_metadata(path).map(|file| identity(&file));
        let identity = identity.map_err(failed)?;
        drop(folder);
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener,
            path: at(),
            identity,
        })
    }

    /// The socket that host programs connect to; it never blocks.
    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Connects to the host program at `port`, without waiting for anything.
    pub(super) fn connect(&self, port: u32) -> io::Result<UnixStream> {
        let mut path = OsString::from(&self.path);
        path.push(format!("_{port}"));
        connect(Path::new(&path))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).map(|file| identity(&file));
        if ours.is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("vsock socket {} stays: {error}", self.path.display());
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes a socket that nobody listens on.
fn remove_left_over(path: &Path) -> Result<(), EndpointError> {
    let at = || path.to_owned();
    let failed = |source| EndpointError::Io { path: at(), source };
    let found = fs::symlink_metadata(path).map_err(failed)?;
    if !found.file_type().is_socket() {
        return Err(EndpointError::NotASocket(at()));
    }
    match connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        // It could be, but for its backlog.
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(failed(error)),
        _ => Err(EndpointError::InUse(at())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmm_sys_util::tempdir::TempDir;

    fn folder() -> TempDir {
        TempDir::new_with_prefix("/tmp/hostel-vsock-").unwrap()
    }

    #[test]
    fn the_socket_is_there_as_long_as_the_endpoint() {
        let folder = folder();
        let path = folder.as_path().join("vm");
        let endpoint = Endpoint::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(endpoint);
        assert!(!path.exists());
    }

    #[test]
    fn one_path_is_for_one_vm() {
        let folder = folder();
        let path = folder.as_path().join("vm");
        let _first = Endpoint::bind(&path).unwrap();
        let second = Endpoint::bind(&path).unwrap_err();
        assert!(second.to_string().contains("in use by another Hostel"));
        UnixStream::connect(&path).expect("the first one goes on");
    }

    #[test]
    fn a_socket_that_was_left_is_replaced() {
        let folder = folder();
        let path = folder.as_path().join("vm");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _endpoint = Endpoint::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn of_vms_that_start_at_once_one_gets_the_path() {
        let folder = folder();
        let path = folder.as_path().join("vm");
        drop(UnixListener::bind(&path).unwrap());
        let threads: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn({
                    let path = path.clone();
                    move || Endpoint::bind(&path)
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_file_that_came_in_between_stays() {
        let folder = folder();
        let path = folder.as_path().join("vm");
        let endpoint = Endpoint::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(endpoint);
        assert!(path.exists());
    }

    #[test]
    fn what_cannot_be_is_said() {
        let folder = folder();
        let said = |path: &Path| Endpoint::bind(path).unwrap_err().to_string();
        let file = folder.as_path().join("file");
        fs::write(&file, "").unwrap();
        assert!(said(&file).contains("is no socket"));
        assert!(said(&file.join("vm")).contains("folder that you may write to"));
        assert!(said(&folder.as_path().join("x".repeat(97))).contains("more than 96"));
    }

    #[test]
    fn a_port_is_a_socket_beside_the_path() {
        let folder = folder();
        let endpoint = Endpoint::bind(&folder.as_path().join("vm")).unwrap();
        assert!(endpoint.connect(52).is_err());
        let server = UnixListener::bind(folder.as_path().join("vm_52")).unwrap();
        endpoint.connect(52).unwrap();
        server.accept().unwrap();
    }
}
