//! What stands before an API: tiers looked up, and what doesn't fit together noted.

use std::sync::Arc;

use crate::config::resolve::Resolver;
use crate::config::written::{At, WrittenProtect, nearest};
use crate::config::{Idempotency, IdempotencyMode, Keys, Protect, StorePlace, Tier};
use crate::validate::Rules;

/// What the whole file says that routes refer to.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    /// Every tier.
    pub(super) tiers: &'a [Arc<Tier>],
    /// Whether the file names a store.
    pub(super) has_store: bool,
}

impl Resolver<'_> {
    /// A store's file is found from the folder of the configuration on.
    pub(super) fn store(&self, written: StorePlace) -> StorePlace {
        match written {
            StorePlace::File(Some(path)) => StorePlace::File(Some(self.folder.join(path))),
            other => other,
        }
    }

    /// What a route asks of its callers.
    pub(super) fn protect(&self, written: WrittenProtect, common: Common<'_>) -> Protect {
        let keys = written.keys.unwrap_or_default();
        if let Some(jwt) = written.jwt.as_ref().filter(|_| keys == Keys::None) {
            self.page
                .note(&jwt.spot, "tokens are looked at where callers need one; say `keys = \"required\"`");
        }
        let price = written.price;
        if let Some(price) = price.as_ref().filter(|price| keys == Keys::None && !price.value.is_free()) {
            self.page.note(&price.spot, "a price needs an account to pay it; say `keys = \"required\"`");
        }
        let price = price.map(|at| at.value).unwrap_or_default();
        // With a store at hand a caller's idempotency key is honoured; without one it passes through as it came.
        let mode = match common.has_store || keys == Keys::Required {
            true => IdempotencyMode::Optional,
            false => IdempotencyMode::Off,
        };
        let idempotency =
            written.idempotency.unwrap_or_else(|| Idempotency { mode, ..Idempotency::default() });
        Protect {
            keys,
            jwt: written.jwt.map(|at| at.value),
            tier: written.tier.and_then(|name| self.tier(&name, common.tiers)),
            validate: written.validate.and_then(|named| self.rules(&named)),
            idempotency,
            dedupe: written.dedupe.unwrap_or_default(),
            price,
            on_store_down: written.on_store_down.unwrap_or_default(),
        }
    }

    fn tier(&self, name: &At<String>, tiers: &[Arc<Tier>]) -> Option<Arc<Tier>> {
        if let Some(tier) = tiers.iter().find(|tier| tier.name == name.value) {
            return Some(Arc::clone(tier));
        }
        let names = || tiers.iter().map(|tier| tier.name.as_str());
        let hint = match nearest(&name.value, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if tiers.is_empty() => format!("write `[tier.{}]`", name.value),
            None => format!("known are `{}`", names().collect::<Vec<_>>().join("`, `")),
        };
        self.page.note(&name.spot, format!("no tier is called `{}`; {hint}", name.value));
        None
    }

    /// What a route asks of its requests; every mistake in the file that it names is noted.
    fn rules(&self, named: &At<String>) -> Option<Arc<Rules>> {
        let read = Rules::load(&named.value, self.folder, self.around);
        let rules = read.map_err(|told| told.into_iter().for_each(|line| self.page.note(&named.spot, line)));
        rules.ok().map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::config::given::{PLAIN, read, told};
    use crate::config::{CountedBy, IdempotencyMode, Keys, LimitFields, OnStoreDown, SharedMode, StorePlace};

    #[test]
    fn everything_that_stands_before_an_api_arrives_where_it_belongs() {
        let config = read(&format!(
            r#"{PLAIN}
            keys = "required"
            jwt = {{ jwks = "https://login.test/jwks.json", issuer = "https://login.test", audience = "models" }}
            tier = "free"
            validate = "there.json#/paths/~1chat/post"
            idempotency = {{ mode = "required", methods = ["POST"], ttl = "1h", record = "2MiB", on_unknown = "run", while_running = "wait" }}
            dedupe = "5s"
            price = {{ request = 1, token_in = 2, token_out = 3, models = [{{ model = "big-*", request = 9 }}] }}
            on_store_down = "closed"
            [tier.free]
            per = ["key", "address"]
            requests = ["60/min burst 10", "1000/h"]
            tokens = "100000/min"
            concurrency = 4
            daily = 1000
            jitter = "1s"
            fields = "both"
            [store]
            url = "sqlite:keys.db"
            [shared]
            url = "redis://127.0.0.1:6379"
            mode = "lease"
            "#
        ))
        .unwrap();
        let protect = &config.routes.iter().next().unwrap().protect;
        assert_eq!((protect.keys, protect.on_store_down), (Keys::Required, OnStoreDown::Closed));
        assert_eq!(protect.jwt.as_ref().unwrap().account, "sub");
        let tier = protect.tier.as_ref().unwrap();
        assert!(Arc::ptr_eq(tier, &config.tiers[0]));
        assert_eq!(tier.per, [CountedBy::Key, CountedBy::Address]);
        assert_eq!((tier.requests.len(), tier.concurrency, tier.daily), (2, Some(4), Some(1000)));
        assert_eq!((tier.jitter.as_secs(), tier.fields), (1, LimitFields::Both));
        assert!(protect.validate.is_some());
        assert_eq!(
            (protect.idempotency.mode, protect.idempotency.record),
            (IdempotencyMode::Required, 2 << 20)
        );
        assert_eq!(protect.price.of(Some("big-1")).request, 9);
        assert_eq!(config.store, Some(StorePlace::File(Some("etc/keys.db".into()))));
        assert_eq!(config.shared.as_ref().unwrap().mode, SharedMode::Lease);
        assert_eq!(config.needed_store(), config.store);
    }

    #[test]
    fn what_asks_for_nothing_needs_no_store() {
        let spelt = "keys = \"none\"\nidempotency = \"off\"\ndedupe = \"0s\"\non_store_down = \"local\"\n\
                     price = { request = 0, token_in = 0, token_out = 0 }\n";
        let config = read(&format!("{PLAIN}{spelt}")).unwrap();
        assert_eq!(config, read(PLAIN).unwrap());
        assert_eq!(config.needed_store(), None);
    }

    #[test]
    fn a_key_is_honoured_where_there_is_somewhere_to_keep_its_answer() {
        let mode = |text: &str| read(text).unwrap().routes.iter().next().unwrap().protect.idempotency.mode;
        assert_eq!(mode(PLAIN), IdempotencyMode::Off);
        assert_eq!(mode(&format!("{PLAIN}keys = \"required\"\n")), IdempotencyMode::Optional);
        assert_eq!(mode(&format!("{PLAIN}[store]\nurl = \"sqlite:\"\n")), IdempotencyMode::Optional);
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_what_would() {
        insta::assert_snapshot!(told(
            r#"[store]
url = "mysql://root:hunter2@h/d"
[shared]
url = "http://h"
mode = "exct"
[tier.free]
requests = "60"
per = "kee"
[tier."a b"]
[[upstream]]
name = "u"
url = "http://127.0.0.1:1"
[[route]]
path = "/"
upstream = "u"
jwt = { jwks = "http://login.test/jwks.json", issuer = "i", audience = "a" }
tier = "fre"
validate = "gone.yaml"
idempotency = { methods = ["GET"] }
price = { request = 1, token_in = -1 }
on_store_down = "opn"
"#
        ), @r#"
        etc/aplomb.toml:2:7: [store] url: expected `sqlite:`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`
        etc/aplomb.toml:4:7: [shared] url: expected `redis://HOST:6379` or `rediss://USER:PASSWORD@HOST:6379`
        etc/aplomb.toml:5:8: [shared] mode: expected `"exact"` or `"lease"`; did you mean `"exact"`?
        etc/aplomb.toml:7:12: [tier.free] requests: `60` is no rate; write `40/s`, `600/min`, `1000/h` or `5/10s`
        etc/aplomb.toml:8:7: [tier.free] per: expected `"key"` or `"account"` or `"address"` or `"route"`; did you mean `"key"`?
        etc/aplomb.toml:9:7: [tier.a b]: a tier is named with `A-Z a-z 0-9 - _`, up to 64 of them
        etc/aplomb.toml:16:16: [[route]] jwt.jwks: expected `https://…`; plain `http://` only on this machine
        etc/aplomb.toml:17:8: [[route]] tier: no tier is called `fre`; did you mean `free`?
        etc/aplomb.toml:18:12: [[route]] validate: can't read etc/gone.yaml: no such file
        etc/aplomb.toml:19:28: [[route]] idempotency.methods[0]: expected `"POST"`, `"PUT"`, `"PATCH"` or `"DELETE"`
        etc/aplomb.toml:20:9: [[route]] price: a price needs an account to pay it; say `keys = "required"`
        etc/aplomb.toml:20:35: [[route]] price.token_in: expected a whole number from 0 to 1000000000000
        etc/aplomb.toml:21:17: [[route]] on_store_down: expected `"open"` or `"closed"` or `"local"`; did you mean `"open"`?
        "#);
    }
}
