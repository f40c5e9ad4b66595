//! `aplomb mock`: an API that fails like the real one, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aplomb_core::{Catalog, Dialect};
use aplomb_gateway::config::units;
use aplomb_gateway::mock::{FailRate, Hints, Mock, MockHandle, MockSettings, Outage, Rate};
use clap::Args;
use serde_json::json;

use crate::{dialects, say};

/// Play an API that fails like the real one
///
/// It answers the API's main endpoints in its own shapes. A request says how it wants to be treated: by the header
/// mock-scenario, by a model named mock:SCENARIO, or by a path that begins with /_scenario/SCENARIO.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  aplomb mock openai
  aplomb mock groq --limit 40/s --fail 503:5% --fail cut:3:2% --latency 200ms
  aplomb mock anthropic --outage 5s..15s
  curl http://127.0.0.1:4200/_scenario/rate_limit;wait=2s,ok/v1/chat/completions -d '{}'
  curl http://127.0.0.1:4200/_mock/log

Scenarios: a kind (rate_limit), a status (503), cut:5, stall:5, malformed:3, no-terminal, error-event:overloaded:4,
bare-error, reset, reset-mid:5, close, silence, slow:2s, slow-body:2s, outage:10s, error-in-200:rate_limit,
error-as-stream, html:502, text:500, empty:500, truncated:429, short, gzip:429, br:429, ok; facts after a
semicolon (wait, delay, message, code, type, param, status), and several after each other: rate_limit;wait=1s,ok.

Exit status: 0 told to stop, 1 can't listen, 2 no such dialect.")]
pub(crate) struct MockArgs {
    /// Whom to play
    dialect: String,
    /// Where to listen [default: 127.0.0.1:4200]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// How many requests are taken, such as 40/s
    #[arg(long, value_name = "RATE")]
    limit: Option<Rate>,
    /// How many requests may come at once [default: those of one window]
    #[arg(long, value_name = "N", requires = "limit")]
    burst: Option<u64>,
    /// How many tokens are taken, such as 30000/min
    #[arg(long, value_name = "RATE")]
    tokens_limit: Option<Rate>,
    /// What a share of the requests meets, such as 503:5%; may be repeated
    #[arg(long, value_name = "SCENARIO:SHARE")]
    fail: Vec<FailRate>,
    /// When nothing works, such as 5s..15s
    #[arg(long, value_name = "FROM..UNTIL")]
    outage: Option<Outage>,
    /// The time before the first byte of an answer
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    latency: Option<Duration>,
    /// The time between two events of a stream
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pace: Option<Duration>,
    /// Decides every chance, so that a run can be repeated
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What answers say of waits and limits: full, retry-after (in whole seconds, alone) or none
    #[arg(long, value_name = "WHICH", default_value = "full")]
    hints: Hints,
    /// Print {dialect, url, base_url, log, stats} instead of the banner
    #[arg(long)]
    json: bool,
    /// A folder of dialects of your own, over the bundled ones
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

/// Plays until a signal ends it.
pub(crate) fn run(args: MockArgs) -> ExitCode {
    let catalog: &'static Catalog = match dialects::catalog(args.dialects.as_deref()) {
        // One catalogue serves the process until it ends.
        Ok(catalog) => Box::leak(Box::new(catalog.into_owned())),
        Err(mistakes) => {
            say::err(&mistakes.iter().map(|mistake| format!("{mistake}\n")).collect::<String>());
            return ExitCode::from(2);
        }
    };
    let Some(dialect) = catalog.get(&args.dialect) else {
        let near = catalog.nearest(&args.dialect).map(|near| format!("; did you mean `{near}`?"));
        let known: Vec<_> = catalog.names().collect();
        let near = near.unwrap_or_else(|| format!("; there are {}", known.join(", ")));
        say::err(&format!("aplomb: `{}` is no dialect{near}\n", args.dialect));
        return ExitCode::from(2);
    };
    let json = args.json;
    let mock = match Mock::start(args.settings(dialect)) {
        Ok(mock) => mock,
        Err(err) => {
            say::err(&format!("aplomb: can't listen: {err}\n"));
            return ExitCode::FAILURE;
        }
    };
    say::out(&if json { format!("{}\n", as_json(&mock, dialect)) } else { banner(&mock, dialect) });
    until_told();
    ExitCode::SUCCESS
}

impl MockArgs {
    fn settings(self, dialect: &'static Dialect) -> MockSettings {
        let mut settings = MockSettings::new(dialect);
        settings.listen = self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4200)));
        settings.seed = self.seed;
        settings.latency = self.latency.unwrap_or_default();
        settings.pace = self.pace.unwrap_or_default();
        settings.limit = self.limit;
        settings.burst = self.burst;
        settings.tokens_limit = self.tokens_limit;
        settings.fail = self.fail;
        settings.outage = self.outage;
        settings.hints = self.hints;
        settings
    }
}

fn as_json(mock: &MockHandle, dialect: &Dialect) -> serde_json::Value {
    json!({
        "dialect": dialect.name,
        "url": mock.url(),
        "base_url": mock.base_url(),
        "log": format!("{}/_mock/log", mock.url()),
        "stats": format!("{}/_mock/stats", mock.url()),
    })
}

fn banner(mock: &MockHandle, dialect: &Dialect) -> String {
    let (url, base) = (mock.url(), mock.base_url());
    let lines = dialect.sdk.iter().map(|(language, sdk)| format!("  {}\n", sdk.line(language, &base)));
    let sdks: String = lines.collect();
    let sdks = if sdks.is_empty() { format!("  base URL {base}\n") } else { sdks };
    format!(
        "aplomb plays {} on {url}; any key will do\n\n{sdks}\n  what it saw: {url}/_mock/log, {url}/_mock/stats\n",
        dialect.title
    )
}

/// Waits for the signal that ends the process.
pub(crate) fn until_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system gives the main thread its event queue");
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("signals can be listened to once the process runs");
        tokio::select! {
            _ = terminate.recv() => {}
            // Without a way to be told, ending is the only harmless thing.
            _ = tokio::signal::ctrl_c() => {}
        }
    });
}
