//! Whose use is counted together.

use std::net::IpAddr;

use crate::caller::Caller;
use crate::config::{CountedBy, Tier};
use crate::digest::{Fields, hex};
use crate::stage::receive::Received;

/// One of those whose use is counted: a key, an account, an address or a route.
///
/// Its name holds the tier, so that who changes tiers begins anew, and no secret: a credential of somebody else's is
/// there by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// What kind it is of.
    pub(crate) per: CountedBy,
    /// Its name, the same in every gateway.
    pub(crate) name: String,
}

/// Everybody whose use a request counts for.
pub(crate) fn subjects(tier: &Tier, caller: &Caller, received: &Received) -> Vec<Subject> {
    let one = |per: &CountedBy| {
        let who = match per {
            CountedBy::Key => caller.key.as_deref().map(|key| format!("key:{key}")),
            CountedBy::Account => caller.account.as_deref().map(|account| format!("account:{account}")),
            CountedBy::Address => Some(address(received)),
            CountedBy::Route => Some(format!("route:{}", received.way.route.path)),
        };
        let who = who.or_else(|| caller.account.as_deref().map(|account| format!("account:{account}")));
        let who = who.or_else(|| credential(received)).unwrap_or_else(|| address(received));
        Subject { per: *per, name: format!("{}:{who}", tier.name) }
    };
    tier.per.iter().map(one).collect()
}

/// The credential that a caller sends for its upstream, by its hash.
fn credential(received: &Received) -> Option<String> {
    let sent = received.setup.credential_headers.all_in(&received.headers);
    if sent.is_empty() {
        return None;
    }
    let mut credentials = Fields::new();
    sent.iter().for_each(|(_, value)| credentials.add(value.as_bytes()));
    Some(format!("credential:{}", hex(&credentials.finish()[..12])))
}

/// The caller's address, as far as its proxies may be trusted; of IPv6 the 64 bits that one household has.
fn address(received: &Received) -> String {
    let address = received.proxies.caller(&received.headers, &received.from);
    network(address)
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("address:{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("address:{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_address() {
        let named = |text: &str| network(text.parse().unwrap());
        assert_eq!(named("2001:db8:1:2:3:4:5:6"), named("2001:db8:1:2::1"));
        assert_ne!(named("2001:db8:1:3::1"), named("2001:db8:1:2::1"));
        assert_eq!(named("::ffff:192.0.2.1"), "address:192.0.2.1");
    }
}
