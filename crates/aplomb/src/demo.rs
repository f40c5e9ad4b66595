//! `aplomb demo`: a built-in provider that misbehaves, the same job without and with Aplomb, side by side.

mod call;
mod client;
mod half;
mod queue;
mod table;
mod wire;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aplomb_core::Dialect;
use aplomb_gateway::config::{Config, Mistake, Route, Routes, Server, Single};
use aplomb_gateway::mock::{Mock, MockHandle, MockSettings, Rate};
use aplomb_gateway::{AdminToken, Gateway, StartError};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{mock, say};
use call::Call;
use half::{Half, WORKERS};

/// How many calls the job has.
const CALLS: usize = 320;

/// Whom the built-in provider plays.
const DIALECT: &str = "groq";

/// Where chat completions are served there.
const PATH: &str = "/openai/v1/chat/completions";

/// How often Aplomb asks at most: enough to wait out the outage by retries alone.
const ATTEMPTS: u32 = 16;

/// What happens to requests at random, and how often.
const FAILS: [&str; 10] = [
    "503:4%",
    "html:502:2%",
    "empty:500:2%",
    "gzip:503:2%",
    "reset:2%",
    "short:2%",
    "error-in-200:overloaded:3%",
    "cut:0:2%",
    "error-event:overloaded:0:2%",
    "error-event:internal:4:1%",
];

/// Show what Aplomb does, without a key and without a network
///
/// A built-in provider limits its callers, goes down for two seconds, and breaks bodies and streams. The same job
/// runs against it with an ordinary SDK's retry loop, and then with the same loop through Aplomb.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status with --exit: 0 if every call through Aplomb ended right or was truly refused, else 1."
)]
pub(crate) struct DemoArgs {
    /// End after the comparison instead of staying up
    #[arg(long)]
    exit: bool,
    /// Print {calls, direct, through, honest} instead of the table
    #[arg(long)]
    json: bool,
}

/// Runs the demo.
pub(crate) fn run(args: DemoArgs) -> ExitCode {
    match show(&args) {
        Ok(honest) if honest || !args.exit => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(err) => {
            say::err(&format!("aplomb: the demo can't run: {err}\n"));
            ExitCode::FAILURE
        }
    }
}

/// What can keep the demo from running.
#[derive(Debug)]
enum Trouble {
    /// No port for the provider.
    Mock(std::io::Error),
    /// The gateway's configuration.
    Config(Vec<Mistake>),
    /// The gateway.
    Start(StartError),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mock(err) => write!(f, "{err}"),
            Self::Config(mistakes) => mistakes.iter().try_for_each(|mistake| write!(f, "{mistake} ")),
            Self::Start(err) => write!(f, "{err}"),
        }
    }
}

fn show(args: &DemoArgs) -> Result<bool, Trouble> {
    let dialect = aplomb_core::catalog().get(DIALECT).expect("the demo's dialect is bundled");
    let job = Call::job(CALLS);
    say::err(&format!(
        "A provider that takes 40 requests a second, is down for 2 s, and breaks bodies and streams.\n\
         {CALLS} calls, {WORKERS} at a time, with an ordinary SDK's retry loop; Aplomb asks up to {ATTEMPTS} times.\n"
    ));
    let provider = Mock::start(settings(dialect)).map_err(Trouble::Mock)?;
    let mut direct = half("direct", provider.address(), &job, None);
    direct.requests = provider.tally().requests;
    drop(provider);

    let provider = Mock::start(settings(dialect)).map_err(Trouble::Mock)?;
    let gateway = gateway(&provider)?;
    let mut through = half("through Aplomb", gateway.listen(), &job, Some(&gateway));
    through.requests = provider.tally().requests;

    say::out(&if args.json {
        format!("{:#}\n", table::json(CALLS, &direct, &through))
    } else {
        table::text(CALLS, &direct, &through)
    });
    if !args.exit {
        say::err(&to_try(gateway.listen(), &provider));
        mock::until_told();
    }
    gateway.stop(Duration::from_secs(1));
    Ok(through.is_honest())
}

/// How the provider misbehaves, the same in both halves.
fn settings(dialect: &'static Dialect) -> MockSettings {
    let mut settings = MockSettings::new(dialect);
    settings.limit = Some(Rate::per_second(40));
    settings.latency = Duration::from_millis(100);
    settings.outage = Some("2s..4s".parse().expect("an outage as the mock's page writes it"));
    settings.fail =
        FAILS.iter().map(|fail| fail.parse().expect("a share as the mock's page writes it")).collect();
    settings
}

/// A gateway before the provider, on free ports.
fn gateway(provider: &MockHandle) -> Result<Gateway, Trouble> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server { listen: any, admin: any, ..Server::default() };
    let url = provider.url();
    let single = Single { upstream: &url, dialect: Some(DIALECT), answer: None };
    let catalog = aplomb_core::catalog();
    let mut config = Config::single(single, server, catalog).map_err(Trouble::Config)?;
    let patient = |route: &Arc<Route>| {
        let mut route = Route::clone(route);
        route.retry.attempts = ATTEMPTS;
        Arc::new(route)
    };
    config.routes = Routes::new(config.routes.iter().map(patient).collect());
    // Nobody has a use for the admin port of a demonstration: its token is told to nobody.
    let (token, _) = AdminToken::make();
    Gateway::start(config, catalog, |_| None, None, token).map_err(Trouble::Start)
}

/// Runs one half with its progress, and with what the gateway's lanes do if it goes through one.
fn half(way: &str, address: SocketAddr, job: &[Call], gateway: Option<&Gateway>) -> Half {
    let style = ProgressStyle::with_template("{prefix:15} {bar:30} {pos}/{len} {elapsed}  {msg}");
    let bar = ProgressBar::new(job.len() as u64)
        .with_style(style.expect("a template as its page writes it"))
        .with_prefix(way.to_owned());
    let over = AtomicBool::new(false);
    let (half, seen) = std::thread::scope(|scope| {
        let watcher = gateway.map(|gateway| scope.spawn(|| queue::watch(gateway, &bar, &over)));
        let half = Half::run(address, PATH, job, || bar.inc(1));
        over.store(true, Ordering::Relaxed);
        let seen = watcher.map(|watcher| watcher.join().expect("looking at lanes can't panic"));
        (half, seen)
    });
    bar.finish_and_clear();
    say::err(&format!(
        "{way}: {} of {} right after {:.1} s\n",
        half.right,
        job.len(),
        half.time.as_secs_f64()
    ));
    if let Some(seen) = seen {
        let broken = seen.broken.as_secs_f64();
        say::err(&format!(
            "  at most {} waited at once; {} of {} requests met the limit; the breaker was open for {broken:.1} s\n",
            seen.most, seen.limited, seen.sent
        ));
    }
    half
}

fn to_try(gateway: SocketAddr, provider: &MockHandle) -> String {
    let url = format!("http://{gateway}{PATH}");
    let ask = |scenario: &str| {
        format!(
            "  curl -i {url} -H 'mock-scenario: {scenario}' -d '{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'\n"
        )
    };
    format!(
        "\nBoth stay up until Ctrl-C. Try:\n{}{}  curl {}/_mock/stats\n",
        ask("rate_limit;wait=1s,ok"),
        ask("html:502*3,context_length"),
        provider.url()
    )
}
