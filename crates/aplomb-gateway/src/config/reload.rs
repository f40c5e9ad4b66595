//! What a running gateway can take over from a changed file.

use crate::config::{Config, Mistake, Server};

impl Config {
    /// Whether a running gateway can go on with this configuration.
    ///
    /// Routes, upstreams, credentials, bounds and timeouts can change under way: a request keeps what it began with.
    /// What was set up once at the start can't: sockets and their certificate, threads, memory, the log.
    ///
    /// # Errors
    /// Every change that needs a restart, by name.
    pub fn may_follow(&self, running: &Self, file: &str) -> Result<(), Vec<Mistake>> {
        let mut keys = changed(&running.server, &self.server);
        let places = [
            ("[store] url", running.needed_store() != self.needed_store()),
            ("[shared]", running.shared != self.shared),
        ];
        keys.extend(places.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key));
        let mistakes: Vec<_> = keys
            .into_iter()
            .map(|key| Mistake {
                file: file.to_owned(),
                place: None,
                key: key.to_owned(),
                message: "can't change while running; restart to change it".to_owned(),
            })
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }
}

fn changed(old: &Server, new: &Server) -> Vec<&'static str> {
    let fixed = [
        ("[server] listen", old.listen != new.listen),
        ("[server] admin", old.admin != new.admin),
        ("[server] tls", old.tls != new.tls),
        ("[server] max_url", old.max_url != new.max_url),
        ("[server] max_headers", old.max_headers != new.max_headers),
        ("[server] header_timeout", old.header_timeout != new.header_timeout),
        ("[server] keep_alive", old.keep_alive != new.keep_alive),
        ("[server] workers", old.workers != new.workers),
        ("[server] memory", old.memory != new.memory),
        ("[log] format", old.log.format != new.log.format),
        ("[log] level", old.log.level != new.log.level),
    ];
    fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::given::{PLAIN, read};

    #[test]
    fn routes_upstreams_and_bounds_may_change() {
        let running = read(PLAIN).unwrap();
        let new = read(
            r#"
            [server]
            drain = "1s"
            max_body = "1MiB"
            cors = ["*"]
            trusted_proxies = ["10.0.0.0/8"]
            [[upstream]]
            name = "groq"
            dialect = "groq"
            credential = { env = "GROQ_API_KEY" }
            [[route]]
            path = "/elsewhere"
            upstream = "groq"
            "#,
        );
        assert_eq!(new.unwrap().may_follow(&running, "f"), Ok(()));
    }

    #[test]
    fn what_was_set_up_at_the_start_is_refused_by_name() {
        let running = read(PLAIN).unwrap();
        let new = read(&format!(
            "{PLAIN}[server]\nlisten = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\nworkers = 2\nmemory = \"64MiB\"\n\
             max_url = \"1KiB\"\nmax_headers = \"8KiB\"\nheader_timeout = \"1s\"\nkeep_alive = \"1s\"\n\
             tls = {{ cert = \"c.pem\", key = \"k.pem\" }}\n[log]\nformat = \"json\"\nlevel = \"warn\"\n"
        ));
        let told = new.unwrap().may_follow(&running, "f").unwrap_err();
        let told: String = told.iter().map(|mistake| format!("{mistake}\n")).collect();
        insta::assert_snapshot!(told, @r#"
        f: [server] listen: can't change while running; restart to change it
        f: [server] admin: can't change while running; restart to change it
        f: [server] tls: can't change while running; restart to change it
        f: [server] max_url: can't change while running; restart to change it
        f: [server] max_headers: can't change while running; restart to change it
        f: [server] header_timeout: can't change while running; restart to change it
        f: [server] keep_alive: can't change while running; restart to change it
        f: [server] workers: can't change while running; restart to change it
        f: [server] memory: can't change while running; restart to change it
        f: [log] format: can't change while running; restart to change it
        f: [log] level: can't change while running; restart to change it
        "#);
    }
}
