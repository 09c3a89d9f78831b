//! Networks as their addresses: `172.17.0.0/16`, `fd00:1::/64`.

use error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses that begin with the same bits (RFC 4632). Bits after the prefix are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The lowest one.
    pub address: IpAddr,
    /// How many bits are the same.
    pub prefix: u8,
}

impl Cidr {
    /// The network that an address belongs to.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(width(address));
        let rest = ones(width(address) - prefix);
        Self { address: with_bits(address, bits(address) & !rest), prefix }
    }

    /// Is it one of these?
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::of(address, self.prefix) == *self
    }

    /// Is any address in both?
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// The one that is so many above the lowest; `None` beyond the last.
    pub fn nth(&self, number: u128) -> Option<IpAddr> {
        let is_inside = number <= ones(width(self.address) - self.prefix);
        is_inside.then(|| with_bits(self.address, bits(self.address) + number))
    }

    /// The highest one.
    pub fn last(&self) -> IpAddr {
        with_bits(self.address, bits(self.address) | ones(width(self.address) - self.prefix))
    }

    /// The first address after it; `None` when it reaches to the end of all.
    pub fn end(&self) -> Option<IpAddr> {
        let last = bits(self.last());
        (last < ones(width(self.address))).then(|| with_bits(self.address, last + 1))
    }

    /// Does it hold addresses of IPv4?
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// So many low bits set.
fn ones(count: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(count)).unwrap_or(0)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// An address of the same family.
fn with_bits(address: IpAddr, bits: u128) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(bits & ones(32)).expect("32 bits")).into(),
        IpAddr::V6(_) => Ipv6Addr::from(bits).into(),
    }
}

impl FromStr for Cidr {
    type Err = Error;

    /// # Errors
    /// `Invalid` for what is no network, one with bits after its prefix too.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::invalid(format!("invalid subnet {text}: invalid CIDR address: {text}"));
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let prefix: u8 = prefix.parse().map_err(|_| bad())?;
        if prefix > width(address) {
            return Err(bad());
        }
        let network = Self::of(address, prefix);
        if network.address != address {
            return Err(Error::invalid(format!("invalid subnet {text}: it should be {network}")));
        }
        Ok(network)
    }
}

impl TryFrom<String> for Cidr {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(network: Cidr) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_shown() {
        for text in ["172.17.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "192.168.1.1/32", "fd00::/64", "::/0"] {
            assert_eq!(network(text).to_string(), text);
        }
        for (text, why) in [
            ("", "invalid subnet : invalid CIDR address: "),
            ("10.0.0.0", "invalid subnet 10.0.0.0: invalid CIDR address: 10.0.0.0"),
            ("10.0.0.0/33", "invalid subnet 10.0.0.0/33: invalid CIDR address: 10.0.0.0/33"),
            ("fd00::/129", "invalid subnet fd00::/129: invalid CIDR address: fd00::/129"),
            ("10.0.0.1/24", "invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn addresses_are_counted_and_compared() {
        let v4 = network("10.1.2.0/24");
        assert_eq!(v4.nth(1), Some("10.1.2.1".parse().unwrap()));
        assert_eq!(v4.nth(256), None);
        assert_eq!(v4.last(), "10.1.2.255".parse::<IpAddr>().unwrap());
        assert_eq!(v4.end(), Some("10.1.3.0".parse().unwrap()));
        assert_eq!(network("255.0.0.0/8").end(), None);
        assert_eq!(network("0.0.0.0/0").last(), "255.255.255.255".parse::<IpAddr>().unwrap());
        assert_eq!(network("::/0").end(), None);
        assert!(v4.contains("10.1.2.9".parse().unwrap()) && !v4.contains("10.1.3.0".parse().unwrap()));
        assert!(!v4.contains("::1".parse().unwrap()));
        assert!(v4.overlaps(&network("10.0.0.0/8")) && network("10.0.0.0/8").overlaps(&v4));
        assert!(!v4.overlaps(&network("10.1.3.0/24")) && !v4.overlaps(&network("::/0")));
        let v6 = network("fd00:0:0:1::/64");
        assert_eq!(v6.nth(2), Some("fd00:0:0:1::2".parse().unwrap()));
    }
}
