//! [`Network`]: a network as the user asks for it, `tap=NAME` or `stream=PATH`, and its opening.

use crate::device_manager::TransportKind;
use devices::net::backend::Backend;
use devices::net::mac::{MacAddress, MacAddressError};
use devices::net::stream::{Stream, StreamError};
use devices::net::tap::{Tap, TapError};
use devices::virtio::net::MAX_PAIRS;
use std::path::PathBuf;
use std::str::FromStr;

/// A network that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What it is on the host.
    pub host: HostNetwork,
    /// The card's address, if it is not to be that of its position.
    pub mac: Option<MacAddress>,
    /// What the guest finds.
    pub card: Card,
}

/// A network card, as the guest finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Card {
    /// virtio-net, on any transport.
    #[default]
    Virtio,
    /// Intel 82540EM, on PCI.
    E1000,
    /// NE2000 as the RTL8029AS, on PCI.
    Ne2000,
}

/// The cards by their names on the command line.
const CARDS: [(&str, Card); 3] = [
    ("virtio", Card::Virtio),
    ("e1000", Card::E1000),
    ("ne2000", Card::Ne2000),
];

impl Card {
    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        let mut cards = CARDS.iter();
        let card = cards.find(|(_, card)| *card == self);
        card.expect("all cards have names").0
    }
}

impl FromStr for Card {
    type Err = NetworkSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut cards = CARDS.iter();
        let card = cards.find(|(name, _)| *name == text);
        let error = || NetworkSyntaxError::Card(text.to_owned());
        card.map(|(_, card)| *card).ok_or_else(error)
    }
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
    #[error(
        "{0:?} is not an option of a network: there are card=CARD, mac=ADDRESS and, for a TAP, queues=N"
    )]
    Option(String),
    /// A card that there is not.
    #[error("{0:?} is not a network card: there are {cards}",
        cards = CARDS.map(|(name, _)| name).join(", "))]
    Card(String),
    /// Not a number of queue pairs.
    #[error(
        "{0:?} is not a number of queues: 1 to {MAX_PAIRS}, and only 1 for a stream or an emulated card"
    )]
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
    /// A card for PCI, and there is none.
    #[error("network card {0} needs PCI: leave `--transport mmio` out, or `card={0}`")]
    NeedsPci(&'static str),
}

impl FromStr for Network {
    type Err = NetworkSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, mut rest) = text.split_once('=').ok_or(NetworkSyntaxError::Kind)?;
        let (mut mac, mut queues, mut card) = (None, None, Card::default());
        // From the end, as a path may have commas.
        while let Some((before, option)) = rest.rsplit_once(',') {
            match option.split_once('=') {
                Some(("mac", address)) => mac = Some(address.parse()?),
                Some(("queues", number)) => queues = Some(number),
                Some(("card", name)) => card = name.parse()?,
                _ => break,
            }
            rest = before;
        }
        let most_queues = match card {
            Card::Virtio => MAX_PAIRS,
            Card::E1000 | Card::Ne2000 => 1,
        };
        let host = match (kind, rest) {
            (_, "") => return Err(NetworkSyntaxError::Kind),
            ("tap", name) => match name.split_once(',') {
                Some((_, option)) => return Err(NetworkSyntaxError::Option(option.to_owned())),
                None => HostNetwork::Tap {
                    name: name.to_owned(),
                    queues: number_of_queues(queues, most_queues)?,
                },
            },
            ("stream", path) => {
                number_of_queues(queues, 1)?;
                HostNetwork::Stream { path: path.into() }
            }
            _ => return Err(NetworkSyntaxError::Kind),
        };
        Ok(Self { host, mac, card })
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
    /// What the guest finds.
    pub card: Card,
}

impl Network {
    /// Opens it, as that of `position` among the networks of a VM with that transport.
    pub fn open(
        &self,
        position: u8,
        transport: TransportKind,
    ) -> Result<OpenNetwork, NetworkError> {
        if self.card != Card::Virtio && transport != TransportKind::Pci {
            return Err(NetworkError::NeedsPci(self.card.name()));
        }
        let backend: Box<dyn Backend> = match &self.host {
            HostNetwork::Tap { name, queues } => Box::new(Tap::open(name, *queues)?),
            HostNetwork::Stream { path } => Box::new(Stream::connect(path)?),
        };
        let mac = self.mac.unwrap_or_else(|| MacAddress::local(position));
        let card = self.card;
        Ok(OpenNetwork { backend, mac, card })
    }
}

impl OpenNetwork {
    /// What the report calls it.
    pub fn name(&self) -> String {
        let (network, card) = (self.backend.name(), self.card.name());
        format!("{network},mac={},card={card}", self.mac)
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
            ("stream=/a,card=e1000", stream("/a"), None),
            ("stream=/a,card=virtio", stream("/a"), None),
            ("stream=a,b,mac=52:54:00:00:00:01", stream("a,b"), Some(mac)),
        ] {
            let mac = mac.map(|mac| mac.parse().unwrap());
            let card = match text.contains("card=e1000") {
                true => Card::E1000,
                false => Card::Virtio,
            };
            assert_eq!(text.parse(), Ok(Network { host, mac, card }), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let error = |text: &str| text.parse::<Network>().unwrap_err();
        for text in ["", "tap", "tap=", "stream=,mac=02:00:00:00:00:01", "user=1"] {
            assert_eq!(error(text), NetworkSyntaxError::Kind, "{text}");
        }
        for text in [
            "tap=a,queues=9",
            "tap=a,queues=0",
            "stream=a,queues=2",
            "tap=a,queues=2,card=e1000",
        ] {
            assert!(matches!(error(text), NetworkSyntaxError::Queues(_)));
        }
        assert_eq!(
            error("tap=a,mtu=3"),
            NetworkSyntaxError::Option("mtu=3".to_owned())
        );
        assert!(matches!(error("tap=a,mac=1"), NetworkSyntaxError::Mac(_)));
        let card = NetworkSyntaxError::Card("3c509".to_owned());
        assert_eq!(error("tap=a,card=3c509"), card);
    }
}
