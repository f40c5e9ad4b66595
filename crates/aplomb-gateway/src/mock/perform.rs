//! From an act to a script: what exactly goes over the wire for this request.

use std::io::Write;
use std::time::{Duration, SystemTime};

use aplomb_core::dialect::{Rendered, limit_headers};
use aplomb_core::sse;
use aplomb_core::{Kind, Limit};
use bytes::Bytes;

use super::answer::{Answer, Frame, answer};
use super::asked::Asked;
use super::refusal::Voice;
use super::scenario::{Act, Behaviour, Break, Coding, Said, What};
use super::script::{Opening, Script, Step};
use super::stream_fault::{Playing, broken_body};
use super::{Hints, MockSettings};

/// In how many pieces a slow body comes.
const SLOW_PIECES: u32 = 10;

/// What an act is performed with.
pub(super) struct Stage<'a> {
    pub(super) settings: &'a MockSettings,
    pub(super) asked: &'a Asked,
    /// The id of the request.
    pub(super) id: &'a str,
    pub(super) limits: &'a [Limit],
    pub(super) now: SystemTime,
}

impl Stage<'_> {
    /// The script of an act.
    pub(super) fn perform(&self, act: &Act) -> Script {
        let mut script = self.behave(&act.behaviour, &act.said);
        script.delay = act.delay;
        script
    }

    fn behave(&self, behaviour: &Behaviour, said: &Said) -> Script {
        match behaviour {
            Behaviour::Answer(status) => self.answer(said.status.unwrap_or(*status), None, said),
            Behaviour::Refuse(what) => self.refuse(*what, said),
            Behaviour::Compressed(coding, what) => compressed(*coding, self.voice().refuse(*what, said)),
            Behaviour::Truncated(what) => {
                let (status, headers, body) = self.body(*what, said);
                Script::whole(status, headers, body.slice(..body.len() / 2))
            }
            Behaviour::Short(what) => {
                let (status, headers, body) = self.body(*what, said);
                let length = Some(body.len() as u64);
                Script::of(Opening::Head { status, headers, length }, broken_body(&body, &Break::Cut))
            }
            Behaviour::ErrorIn200(what) => {
                let rendered = self.voice().refuse(*what, said);
                Script::whole(200, without_waits(rendered.headers), rendered.body)
            }
            Behaviour::ErrorAsStream(what) => {
                let rendered = self.voice().refuse(*what, said);
                let mut headers = without_waits(rendered.headers);
                set(&mut headers, "content-type", "text/event-stream");
                let body = sse::write(None, &String::from_utf8_lossy(&rendered.body));
                Script::of(Opening::Head { status: 200, headers, length: None }, [Step::Send(body)])
            }
            Behaviour::Html(status) => page(*status, "text/html", html(*status)),
            Behaviour::Text(status) => page(*status, "text/plain", format!("{}\n", reason(*status))),
            Behaviour::Empty(status) => Script::whole(*status, Vec::new(), Bytes::new()),
            Behaviour::Broken(how, after) => self.answer(200, Some((how, *after)), said),
            Behaviour::SlowBody(length) => slow(self.answer(200, None, said), *length),
            Behaviour::Reset => Script::without_answer(Opening::Reset),
            Behaviour::Close => Script::without_answer(Opening::Close),
            Behaviour::Silence => Script::without_answer(Opening::Silence),
            Behaviour::Outage(_, how) => self.behave(how, said),
        }
    }

    fn refuse(&self, what: What, said: &Said) -> Script {
        let rendered = self.voice().refuse(what, said);
        Script::whole(rendered.status, rendered.headers, rendered.body)
    }

    /// The answer, or a complaint about a body that is no JSON where JSON is needed.
    fn answer(&self, status: u16, fault: Option<(&Break, usize)>, said: &Said) -> Script {
        let shape = self.asked.endpoint.and_then(|endpoint| endpoint.mock.as_deref());
        if self.asked.json.is_none() && shape.is_some_and(|shape| shape != "echo") {
            let said = Said { message: Some("the body is no JSON".to_owned()), ..Said::default() };
            return self.refuse(What::Kind(Kind::InvalidRequest), &said);
        }
        match answer(self.settings.dialect, self.asked, self.id, self.now) {
            Answer::Stream(stream) => {
                let kind =
                    if stream.frame == Frame::Array { "application/json" } else { "text/event-stream" };
                let headers = self.headers(kind);
                let voice = self.voice();
                let playing = Playing { voice: &voice, form: self.form(), pace: self.settings.pace };
                let steps = playing.steps(stream, fault, said);
                Script::of(Opening::Head { status, headers, length: None }, steps)
            }
            Answer::Whole(value) => self.whole(status, value.to_string().into(), fault, said),
        }
    }

    fn whole(&self, status: u16, body: Bytes, fault: Option<(&Break, usize)>, said: &Said) -> Script {
        let headers = self.headers("application/json");
        match fault {
            None => Script::whole(status, headers, body),
            Some((Break::NoTerminal, _)) => Script::whole(status, headers, body.slice(..body.len() / 2)),
            Some((Break::ErrorEvent(what) | Break::BareError(what), _)) => {
                self.behave(&Behaviour::ErrorIn200(*what), said)
            }
            Some((how, _)) => {
                let length = Some(body.len() as u64);
                Script::of(Opening::Head { status, headers, length }, broken_body(&body, how))
            }
        }
    }

    /// Status, headers and body of an error, or of the good answer in one piece.
    fn body(&self, what: Option<What>, said: &Said) -> (u16, Vec<(String, String)>, Bytes) {
        if let Some(what) = what {
            let rendered = self.voice().refuse(what, said);
            return (rendered.status, rendered.headers, rendered.body.into());
        }
        match answer(self.settings.dialect, self.asked, self.id, self.now) {
            Answer::Whole(value) => (200, self.headers("application/json"), value.to_string().into()),
            Answer::Stream(stream) => (200, self.headers("text/event-stream"), stream.events.concat().into()),
        }
    }

    fn form(&self) -> Option<&aplomb_core::spec::StreamForm> {
        let name = self.asked.endpoint?.stream.as_deref()?;
        self.settings.dialect.stream(name)
    }

    fn voice(&self) -> Voice<'_> {
        Voice {
            dialect: self.settings.dialect,
            id: self.id,
            limits: self.limits,
            hints: self.settings.hints,
            now: self.now,
        }
    }

    /// The headers of a good answer.
    fn headers(&self, content_type: &str) -> Vec<(String, String)> {
        let dialect = self.settings.dialect;
        let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
        if let Some(name) = dialect.request_id_headers.first() {
            headers.push((name.clone(), self.id.to_owned()));
        }
        if self.settings.hints == Hints::Full {
            headers.extend(limit_headers(dialect, self.limits, self.now));
        }
        headers
    }
}

fn compressed(coding: Coding, rendered: Rendered) -> Script {
    let mut headers = rendered.headers;
    let body = match coding {
        Coding::Gzip => {
            set(&mut headers, "content-encoding", "gzip");
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(&rendered.body).and_then(|()| out.finish())
        }
        Coding::Brotli => {
            set(&mut headers, "content-encoding", "br");
            let mut out = brotli::CompressorWriter::new(Vec::new(), 4_096, 4, 20);
            out.write_all(&rendered.body).map(|()| out.into_inner())
        }
    };
    Script::whole(rendered.status, headers, body.expect("writing into memory can't fail"))
}

/// The same bytes, spread over this time.
fn slow(mut script: Script, length: Duration) -> Script {
    let mut body = Vec::new();
    for step in script.steps.drain(..) {
        if let Step::Send(bytes) = step {
            body.extend_from_slice(&bytes);
        }
    }
    let body = Bytes::from(body);
    let size = body.len().div_ceil(SLOW_PIECES as usize).max(1);
    let mut from = 0;
    while from < body.len() {
        let end = (from + size).min(body.len());
        script.steps.extend([Step::Wait(length / SLOW_PIECES), Step::Send(body.slice(from..end))]);
        from = end;
    }
    script
}

fn page(status: u16, content_type: &str, body: String) -> Script {
    let server = if (520..=530).contains(&status) { "cloudflare" } else { "nginx" };
    let headers =
        vec![("content-type".to_owned(), content_type.to_owned()), ("server".to_owned(), server.to_owned())];
    Script::whole(status, headers, body)
}

fn html(status: u16) -> String {
    let title = format!("{status} {}", reason(status));
    let server = if (520..=530).contains(&status) { "cloudflare" } else { "nginx" };
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}

fn reason(status: u16) -> &'static str {
    let known = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.unwrap_or(match status {
        520 => "Web server is returning an unknown error",
        521 => "Web server is down",
        522 => "Connection timed out",
        523 => "Origin is unreachable",
        524 => "A timeout occurred",
        _ => "Error",
    })
}

/// Waits belong to a refusal, and a 200 is none.
fn without_waits(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !name.starts_with("retry-after"));
    headers
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(own, _)| own != name);
    headers.push((name.to_owned(), value.to_owned()));
}
