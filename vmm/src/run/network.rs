//! [`Network`]: a network as the user asks for it, `tap=NAME` or `stream=PATH`, and its opening.

use devices::virtio::net::MAX_PAIRS;
use devices::virtio::net::backend::Backend;
use devices::virtio::net::mac::{MacAddress, MacAddressError};
use devices::virtio::net::stream::{Stream, StreamError};
use devices::virtio::net::tap::{Tap, TapError};
use std::path::PathBuf;
use std::str::FromStr;

/// A network that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What it is on the host.
    pub host: HostNetwork,
    /// The card's address, if it is not to be that of its position.
    pub mac: Option<MacAddress>,
}

/// A network on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostNetwork {
    /// A TAP interface.
    Tap {
        /// Its name; with `%d` a new one is made.
        name: String,
        /// Queue pairs.
        queues: u16,
    },
    /// A Unix stream socket.
    Stream {
        /// Where it is.
        path: PathBuf,
    },
}

/// What is wrong with the text of a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetworkSyntaxError {
    /// Not of a kind that there is.
    #[error("a network is tap=NAME or stream=PATH")]
    Kind,
    /// An option that there is not.
    #[error("{0:?} is not an option of a network: there are mac=ADDRESS and, for a TAP, queues=N")]
    Option(String),
    /// Not a number of queue pairs.
    #[error("{0:?} is not a number of queues: 1 to {MAX_PAIRS}, and only 1 for a stream")]
    Queues(String),
    /// Not an address.
    #[error(transparent)]
    Mac(#[from] MacAddressError),
}

/// Why a network cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The TAP.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// The socket.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl FromStr for Network {
    type Err = NetworkSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, mut rest) = text.split_once('=').ok_or(NetworkSyntaxError::Kind)?;
        let (mut mac, mut queues) = (None, None);
        // From the end, as a path may have commas.
        while let Some((before, option)) = rest.rsplit_once(',') {
            match option.split_once('=') {
                Some(("mac", address)) => mac = Some(address.parse()?),
                Some(("queues", number)) => queues = Some(number),
                _ => break,
            }
            rest = before;
        }
        let host = match (kind, rest) {
            (_, "") => return Err(NetworkSyntaxError::Kind),
            ("tap", name) => match name.split_once(',') {
                Some((_, option)) => return Err(NetworkSyntaxError::Option(option.to_owned())),
                None => HostNetwork::Tap {
                    name: name.to_owned(),
                    queues: number_of_queues(queues, MAX_PAIRS)?,
                },
            },
            ("stream", path) => {
                number_of_queues(queues, 1)?;
                HostNetwork::Stream { path: path.into() }
            }
            _ => return Err(NetworkSyntaxError::Kind),
        };
        Ok(Self { host, mac })
    }
}

fn number_of_queues(text: Option<&str>, most: u16) -> Result<u16, NetworkSyntaxError> {
    let text = text.unwrap_or("1");
    let number = text.parse().ok();
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| NetworkSyntaxError::Queues(text.to_owned()))
}

/// A network that is open.
pub struct OpenNetwork {
    /// The host's side.
    pub backend: Box<dyn Backend>,
    /// The card's address.
    pub mac: MacAddress,
}

impl Network {
    /// Opens it, as that of `position` among the VM's networks.
    pub fn open(&self, position: u8) -> Result<OpenNetwork, NetworkError> {
        let backend: Box<dyn Backend> = match &self.host {
            HostNetwork::Tap { name, queues } => Box::new(Tap::open(name, *queues)?),
            HostNetwork::Stream { path } => Box::new(Stream::connect(path)?),
        };
        let mac = self.mac.unwrap_or_else(|| MacAddress::local(position));
        Ok(OpenNetwork { backend, mac })
    }
}

impl OpenNetwork {
    /// What the report calls it.
    pub fn name(&self) -> String {
        format!("{},mac={}", self.backend.name(), self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_any_order_and_a_path_may_have_commas() {
        let mac = "52:54:00:00:00:01";
        let tap = |name: &str, queues| HostNetwork::Tap {
            name: name.to_owned(),
            queues,
        };
        let stream = |path: &str| HostNetwork::Stream { path: path.into() };
        for (text, host, mac) in [
            ("tap=tap0", tap("tap0", 1), None),
            (
                "tap=tap0,queues=8,mac=52:54:00:00:00:01",
                tap("tap0", 8),
                Some(mac),
            ),
            (
                "tap=t,mac=52:54:00:00:00:01,queues=2",
                tap("t", 2),
                Some(mac),
            ),
            ("stream=/a,b=c", stream("/a,b=c"), None),
            ("stream=a,b,mac=52:54:00:00:00:01", stream("a,b"), Some(mac)),
        ] {
            let mac = mac.map(|mac| mac.parse().unwrap());
            assert_eq!(text.parse(), Ok(Network { host, mac }), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let error = |text: &str| text.parse::<Network>().unwrap_err();
        for text in ["", "tap", "tap=", "stream=,mac=02:00:00:00:00:01", "user=1"] {
            assert_eq!(error(text), NetworkSyntaxError::Kind, "{text}");
        }
        for text in ["tap=a,queues=9", "tap=a,queues=0", "stream=a,queues=2"] {
            assert!(matches!(error(text), NetworkSyntaxError::Queues(_)));
        }
        assert_eq!(
            error("tap=a,mtu=3"),
            NetworkSyntaxError::Option("mtu=3".to_owned())
        );
        assert!(matches!(error("tap=a,mac=1"), NetworkSyntaxError::Mac(_)));
    }
}
