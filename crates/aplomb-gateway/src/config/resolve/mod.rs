//! From what is written to what is served: names looked up, defaults filled in, and what doesn't fit together noted.

mod resolver;
use resolver::Resolver;

mod config;

mod server;

mod upstream;

mod credential;

mod protect;

mod route;

mod trust;
