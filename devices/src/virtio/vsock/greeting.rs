//! [`Greeting`]: the line by which a host program says which port of the guest it wants:
//! `CONNECT 1024\n`. When the guest has accepted, it reads `OK 1073741824\n` with the port that it
//! has itself, then come the bytes of the stream.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// Longest line, with a port of ten digits and a few spaces too many.
const MAX_LINE_BYTES: usize = 32;

/// A line that is being read.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    line: Vec<u8>,
}

/// What a program has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing whole yet.
    Nothing,
    /// It wants that port of the guest.
    Port(u32),
    /// Nothing that makes sense, or it is gone.
    Nonsense,
}

impl Greeting {
    /// Reads as much of the line as there is: byte for byte, as what follows is the guest's.
    pub(super) fn read(&mut self, mut stream: &UnixStream) -> Said {
        let mut byte = [0];
        while self.line.len() < MAX_LINE_BYTES {
            match stream.read(&mut byte) {
                Ok(1) if byte == *b"\n" => return parse(&self.line),
                Ok(1) => self.line.extend(byte),
                Ok(_) => return Said::Nonsense,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Said::Nothing,
                Err(_) => return Said::Nonsense,
            }
        }
        Said::Nonsense
    }
}

fn parse(line: &[u8]) -> Said {
    let line = std::str::from_utf8(line).unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let (verb, port, rest) = (words.next(), words.next(), words.next());
    let is_connect = verb.is_some_and(|verb| verb.eq_ignore_ascii_case("connect"));
    match port.and_then(|port| port.parse().ok()) {
        // All ones stand for any port (linux/vm_sockets.h).
        Some(port) if is_connect && rest.is_none() && port != u32::MAX => Said::Port(port),
        _ => Said::Nonsense,
    }
}

/// Tells the program that it is connected, from port `host_port`. The socket is empty, so that
/// a line has room.
pub(super) fn confirm(mut stream: &UnixStream, host_port: u32) -> io::Result<()> {
    stream.write_all(format!("OK {host_port}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> (Said, UnixStream) {
        let (mut program, stream) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        program.write_all(bytes).unwrap();
        (Greeting::default().read(&stream), stream)
    }

    #[test]
    fn a_line_names_a_port_and_what_follows_is_left() {
        let (said, mut stream) = said(b"CONNECT 1024\nhello");
        assert_eq!(said, Said::Port(1024));
        let mut rest = [0; 8];
        assert_eq!(stream.read(&mut rest).unwrap(), 5);
        assert_eq!(&rest[..5], b"hello");
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let (mut program, stream) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut greeting = Greeting::default();
        for piece in ["conn", "ect 4", "2"] {
            program.write_all(piece.as_bytes()).unwrap();
            assert_eq!(greeting.read(&stream), Said::Nothing);
        }
        program.write_all(b"\n").unwrap();
        assert_eq!(greeting.read(&stream), Said::Port(42));
    }

    #[test]
    fn anything_else_is_nonsense() {
        for bytes in [
            &b"\n"[..],
            b"CONNECT\n",
            b"CONNECT x\n",
            b"CONNECT -1\n",
            b"CONNECT 4294967295\n",
            b"CONNECT 4294967296\n",
            b"CONNECT 1 2\n",
            b"GET / HTTP/1.1\r\n",
            b"\xff\xfe\n",
            &[b'C'; 33],
            &[b' '; 4096],
        ] {
            assert_eq!(said(bytes).0, Said::Nonsense, "{bytes:?}");
        }
        let (program, stream) = UnixStream::pair().unwrap();
        drop(program);
        assert_eq!(Greeting::default().read(&stream), Said::Nonsense);
    }
}
