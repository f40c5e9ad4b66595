//! What a configuration will be able to say one day, refused by its name until then.
//!
//! A value that asks for nothing (`hedge = "off"`) is taken, so that a file may spell out what holds anyway.

use toml::de::DeValue;

/// A key of a later version.
pub(super) struct Later {
    /// The key.
    pub(super) key: &'static str,
    what: &'static str,
    nothing: Nothing,
}

/// What a key may say already, because it asks for nothing.
enum Nothing {
    /// There is no such value.
    No,
    /// This text.
    Text(&'static str),
    /// A table of zeros.
    Zeros,
}

const fn later(key: &'static str, what: &'static str) -> Later {
    Later { key, what, nothing: Nothing::No }
}

const fn unless(key: &'static str, nothing: &'static str, what: &'static str) -> Later {
    Later { key, what, nothing: Nothing::Text(nothing) }
}

/// Keys of the file.
pub(super) const FILE: &[Later] = &[
    later("store", "keeping keys, balances and answers"),
    later("shared", "counting together with other gateways"),
    later("tier", "limits by tier"),
];

/// Keys of `[[route]]`.
pub(super) const ROUTE: &[Later] = &[
    unless("keys", "none", "keys of its own for callers"),
    later("tier", "limits by tier"),
    unless("idempotency", "off", "keeping answers by idempotency key"),
    unless("dedupe", "0s", "recognising equal requests"),
    Later { key: "price", what: "prepaid balances", nothing: Nothing::Zeros },
    unless("on_store_down", "local", "keeping keys, balances and answers"),
];

impl Later {
    /// Whether the value asks for nothing.
    pub(super) fn says_nothing(&self, value: &DeValue<'_>) -> bool {
        match self.nothing {
            Nothing::No => false,
            Nothing::Text(text) => value.as_str() == Some(text),
            Nothing::Zeros => value.as_table().is_some_and(|table| {
                let is_zero = |value: &DeValue<'_>| value.as_integer().is_some_and(|n| n.as_str() == "0");
                table.values().all(|value| is_zero(value.get_ref()))
            }),
        }
    }

    /// That it is refused, and what to do instead.
    pub(super) fn sentence(&self) -> String {
        let Self { key, what, nothing } = self;
        let or = match nothing {
            Nothing::No => String::new(),
            Nothing::Text(text) => format!(" or write `\"{text}\"`"),
            Nothing::Zeros => " or write zeros".to_owned(),
        };
        format!("`{key}` ({what}) is not available in this version; leave it out{or}")
    }
}

#[cfg(test)]
mod tests {
    use crate::config::given::{PLAIN, read, told};

    #[test]
    fn what_a_file_says_beside_the_defaults_may_be_spelt_out() {
        let spelt = r#"
            keys = "none"
            stream = "live"
            hedge = "off"
            idempotency = "off"
            dedupe = "0s"
            price = { request = 0, token_in = 0, token_out = 0 }
            queue = { max_wait = "60s", priority = "none", size = 10000 }
            on_store_down = "local"
            shared_quota = "429"
        "#;
        assert_eq!(read(&format!("{PLAIN}{spelt}")), read(PLAIN));
    }

    #[test]
    fn what_comes_later_is_refused_by_name() {
        let told = told(
            r#"[store]
url = "sqlite:"
[shared]
url = "redis://127.0.0.1"
[tier.free]
requests = "60/min"
[[upstream]]
name = "u"
url = "http://127.0.0.1:1"
[[route]]
path = "/"
upstream = "u"
keys = "required"
tier = "free"
idempotency = "optional"
dedupe = "5s"
price = { request = 1 }
on_store_down = "open"
"#,
        );
        insta::assert_snapshot!(told, @r#"
        etc/aplomb.toml:1:1: store: `store` (keeping keys, balances and answers) is not available in this version; leave it out
        etc/aplomb.toml:3:1: shared: `shared` (counting together with other gateways) is not available in this version; leave it out
        etc/aplomb.toml:5:2: tier: `tier` (limits by tier) is not available in this version; leave it out
        etc/aplomb.toml:13:8: [[route]] keys: `keys` (keys of its own for callers) is not available in this version; leave it out or write `"none"`
        etc/aplomb.toml:14:8: [[route]] tier: `tier` (limits by tier) is not available in this version; leave it out
        etc/aplomb.toml:15:15: [[route]] idempotency: `idempotency` (keeping answers by idempotency key) is not available in this version; leave it out or write `"off"`
        etc/aplomb.toml:16:10: [[route]] dedupe: `dedupe` (recognising equal requests) is not available in this version; leave it out or write `"0s"`
        etc/aplomb.toml:17:9: [[route]] price: `price` (prepaid balances) is not available in this version; leave it out or write zeros
        etc/aplomb.toml:18:17: [[route]] on_store_down: `on_store_down` (keeping keys, balances and answers) is not available in this version; leave it out or write `"local"`
        "#);
    }
}
