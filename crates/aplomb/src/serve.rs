//! `aplomb serve`: the gateway, until it is told to stop.

mod banner;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use aplomb_core::Catalog;
use aplomb_gateway::config::{Config, Mistake, Server, Single, Surroundings};
use aplomb_gateway::{Gateway, Reload, observe};
use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{dialects, say};

/// Serve: stand before the APIs and keep their failures in order
///
/// Alone it routes /NAME to every API that Aplomb knows, with the callers' own credentials; callers change
/// their base URL and nothing else.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  aplomb serve
  aplomb serve --upstream http://127.0.0.1:8000 --dialect openai
  aplomb serve --upstream https://api.groq.com --answer openai --listen 127.0.0.1:8080
  aplomb serve --config aplomb.toml

SIGHUP reads the configuration anew, SIGTERM and SIGINT let requests finish and end.
APLOMB_LOG takes levels and filters: warn writes failures only.

The admin port asks for a token, except for health: it is made at the first start and printed once, and its hash is
kept in $APLOMB_STATE, else $XDG_STATE_HOME/aplomb, else ~/.local/state/aplomb. APLOMB_ADMIN_TOKEN comes before it.

Exit status: 0 told to stop, 1 can't serve, 2 mistakes in options or configuration.")]
pub(crate) struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["upstream", "dialect", "answer"])]
    config: Option<PathBuf>,
    /// One route at / to this URL
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// What the upstream speaks; else it is told from its host or its answers
    #[arg(long, value_name = "NAME", requires = "upstream")]
    dialect: Option<String>,
    /// The dialect in which callers hear of failures; else the upstream's own
    #[arg(long, value_name = "NAME", requires = "upstream")]
    answer: Option<String>,
    /// Where callers are served [default: 127.0.0.1:4100]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where health and reload are served [default: 127.0.0.1:4101]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Make another token for the admin port, and print it; the one before opens nothing from then on
    #[arg(long)]
    new_admin_token: bool,
    /// Threads that serve [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// A folder of dialects of your own, over the bundled ones
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

/// Serves until a signal ends it.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let catalog: &'static Catalog = match dialects::catalog(args.dialects.as_deref()) {
        // One catalogue serves the process until it ends.
        Ok(catalog) => Box::leak(Box::new(catalog.into_owned())),
        Err(mistakes) => return refused(&mistakes),
    };
    let config = match args.config(catalog) {
        Ok(config) => config,
        Err(mistakes) => return refused(&mistakes),
    };
    let env = |name: &str| std::env::var(name).ok();
    let (token, told) = match token::find(env, args.new_admin_token) {
        Ok(found) => found,
        Err(why) => {
            say::err(&format!("aplomb: {why}\n"));
            return ExitCode::from(2);
        }
    };
    // Before anything can fail: a token that was made is told once, or it is lost.
    say::err(&told);
    let filter = env("APLOMB_LOG");
    observe::start(config.server.log, filter.as_deref());
    let shown = config.clone();
    let args = Arc::new(args);
    let reload: Option<Reload> = args.config.is_some().then(|| {
        let args = Arc::clone(&args);
        let reload: Reload = Arc::new(move || args.config(catalog));
        reload
    });
    let gateway = match Gateway::start(config, catalog, env, reload, token) {
        Ok(gateway) => gateway,
        Err(err) => {
            say::err(&format!("aplomb: {}\n", say::causes(&err)));
            return ExitCode::FAILURE;
        }
    };
    let signals = Signals::listen();
    say::err(&banner::text(&shown, catalog, &gateway));
    signals.until_told(&gateway);
    let grace = gateway.drain();
    let drained = gateway.stop(grace);
    say::err(&format!(
        "aplomb: stopped; {} connections ended by themselves, {} were cut\n",
        drained.finished, drained.cut
    ));
    ExitCode::SUCCESS
}

impl ServeArgs {
    /// The configuration that the options ask for.
    fn config(&self, catalog: &Catalog) -> Result<Config, Vec<Mistake>> {
        let mut config = match (&self.config, &self.upstream) {
            (Some(file), _) => Config::load(file, &Surroundings::of_process(catalog))?,
            (None, Some(upstream)) => {
                let single =
                    Single { upstream, dialect: self.dialect.as_deref(), answer: self.answer.as_deref() };
                Config::single(single, self.server(Server::default()), catalog)?
            }
            (None, None) => Config::bare(self.server(Server::default()), catalog)?,
        };
        config.server = self.server(config.server);
        Ok(config)
    }

    /// Options come before the file.
    fn server(&self, mut server: Server) -> Server {
        server.listen = self.listen.unwrap_or(server.listen);
        server.admin = self.admin.unwrap_or(server.admin);
        server.workers = self.workers.map(usize::from).or(server.workers);
        server
    }
}

fn refused(mistakes: &[Mistake]) -> ExitCode {
    let lines: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
    say::err(&lines);
    ExitCode::from(2)
}

/// The signals that mean something here; listened to before anybody is told that the gateway serves.
struct Signals {
    runtime: Runtime,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system gives the main thread its event queue");
        let inside = runtime.enter();
        let listen = |kind| signal(kind).expect("signals can be listened to once the process runs");
        let (hangup, terminate) = (listen(SignalKind::hangup()), listen(SignalKind::terminate()));
        let interrupt = listen(SignalKind::interrupt());
        drop(inside);
        Self { runtime, hangup, terminate, interrupt }
    }

    /// Waits for a signal that ends, and reads the configuration anew at each one that asks for it.
    fn until_told(self, gateway: &Gateway) {
        let Self { runtime, mut hangup, mut terminate, mut interrupt } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = hangup.recv() => if let Err(mistakes) = gateway.reload() {
                        let lines: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
                        say::err(&format!("{lines}aplomb: the configuration stays as it was\n"));
                    },
                }
            }
        });
    }
}
