//! [`MacAddress`]: what an Ethernet station is called.

use std::fmt;
use std::str::FromStr;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

/// Why a text is not the address of a station.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MacAddressError {
    /// Not six pairs of hexadecimal digits.
    #[error("{0:?} is not a MAC address: write six pairs of hexadecimal digits, such as {example}",
        example = MacAddress::local(0))]
    Form(String),
    /// Not that of one station.
    #[error("{0} is not a station's MAC address: the first byte must be even, and not all zero")]
    NotAStation(MacAddress),
}

impl MacAddress {
    /// To all stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// A locally administered address, the same for the same position among a VM's networks.
    pub fn local(position: u8) -> Self {
        let [h, o, s, t] = *b"HOST";
        Self([0x02, h, o, s, t, position])
    }

    /// Whether it stands for several stations.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether one station can have it.
    pub fn is_station(self) -> bool {
        !self.is_multicast() && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || MacAddressError::Form(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2);
            let digits = part.filter(|part| part.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let number = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            *byte = number.ok_or_else(form)?;
        }
        let address = Self(bytes);
        match parts.next() {
            Some(_) => Err(form()),
            None if address.is_station() => Ok(address),
            None => Err(MacAddressError::NotAStation(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_read_and_shown() {
        let text = "52:54:00:aB:cd:0f";
        let address: MacAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), text.to_lowercase());
        assert_eq!(MacAddress::local(7).to_string(), "02:48:4f:53:54:07");
        assert!(MacAddress::local(255).is_station());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:0f:00",
            "52:54:00:ab:cd:0",
            "52:54:00:ab:cd:+f",
            "525400abcd0f",
        ] {
            let error = MacAddressError::Form(text.to_owned());
            assert_eq!(text.parse::<MacAddress>(), Err(error), "{text}");
        }
        for text in [
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
        ] {
            let error = text.parse::<MacAddress>();
            assert!(matches!(error, Err(MacAddressError::NotAStation(_))));
        }
    }
}
