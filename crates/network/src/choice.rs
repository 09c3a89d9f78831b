//! Which addresses a network gets that was given none.

use crate::Cidr;
use error::{Error, Kind, Result, ResultExt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use sys::netlink::Route;

/// Free addresses for a network: such that none of `taken`, and none that this machine has a route to, are among them.
/// `unique`: 40 random bits for IPv6 (RFC 4193, section 3.2).
///
/// # Errors
/// `Unavailable` when all are used.
pub fn choose(taken: &[Cidr], v6: Option<u64>) -> Result<Cidr> {
    let routes = Route::open().and_then(|mut route| route.destinations());
    let routes = routes.map_err(sys::kernel::error).context(|| "can't read this machine's routes")?;
    let mut taken = taken.to_vec();
    taken.extend(routes.into_iter().map(|(address, prefix)| Cidr::of(address, prefix)));
    match v6 {
        None => pools().find(|pool| is_free(pool, &taken)),
        Some(unique) => Some(unique_local(unique)).filter(|pool| is_free(pool, &taken)),
    }
    .ok_or_else(|| {
        Error::new(Kind::Unavailable, "all predefined address pools have been fully subnetted")
            .hint("remove networks that are not needed (`network prune`), or say which addresses by `--subnet`")
    })
}

/// A route to everywhere takes nothing from anybody.
fn is_free(pool: &Cidr, taken: &[Cidr]) -> bool {
    !taken.iter().any(|other| other.prefix > 0 && other.overlaps(pool))
}

/// Docker's: 15 of 65536 addresses, then 16 of 4096.
fn pools() -> impl Iterator<Item = Cidr> {
    let large = (17..32).map(|second| Cidr::of(Ipv4Addr::new(172, second, 0, 0).into(), 16));
    let small = (0..16).map(|sixteenth| Cidr::of(Ipv4Addr::new(192, 168, sixteenth * 16, 0).into(), 20));
    large.chain(small)
}

fn unique_local(unique: u64) -> Cidr {
    let bits = 0xfd << 120 | u128::from(unique & 0xff_ffff_ffff) << 80;
    Cidr::of(IpAddr::V6(Ipv6Addr::from(bits)), 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_taken_that_meets_no_other() {
        let network = |text: &str| text.parse::<Cidr>().unwrap();
        let choice = |taken: &[&str]| {
            let taken: Vec<Cidr> = taken.iter().map(|text| network(text)).collect();
            pools().find(|pool| is_free(pool, &taken)).map(|pool| pool.to_string())
        };
        assert_eq!(choice(&["0.0.0.0/0", "::/0"]).as_deref(), Some("172.17.0.0/16"));
        assert_eq!(choice(&["172.17.3.0/24", "172.18.0.0/15", "10.0.0.0/8"]).as_deref(), Some("172.20.0.0/16"));
        assert_eq!(choice(&["172.16.0.0/12", "192.168.0.7/32"]).as_deref(), Some("192.168.16.0/20"));
        assert_eq!(choice(&["172.16.0.0/12", "192.168.0.0/16"]), None);
        assert_eq!(unique_local(0x12_3456_789a).to_string(), "fd12:3456:789a::/64");
    }
}
