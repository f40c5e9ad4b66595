//! An upstream that does exactly what it is told, byte by byte, and remembers what it heard.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::caller::{Message, Wire};

/// What an upstream does about one request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Waits.
    Rest(Duration),
    /// Waits until the test opens the gate.
    Until(Gate),
    /// Opens the gate.
    Open(Gate),
    /// Closes the connection in good order.
    Close,
    /// Resets the connection.
    Reset,
    /// Says nothing more, until the other side is gone.
    Silence,
    /// Answers before the request's body was read, and reads it afterwards.
    Early,
}

/// An address where nobody listens, and what keeps others from it: bound, so that no other test is given the port.
pub(super) fn nobody() -> (TcpSocket, SocketAddr) {
    let kept = TcpSocket::new_v4().unwrap();
    kept.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = kept.local_addr().unwrap();
    (kept, address)
}

/// Everything an upstream does about one request.
pub(super) type Script = Vec<Act>;

/// Something that a test lets happen.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Rc<(Cell<bool>, Notify)>);

impl Gate {
    pub(super) fn open(&self) {
        self.0.0.set(true);
        self.0.1.notify_waiters();
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.0.get()
    }

    pub(super) async fn passed(&self) {
        while !self.0.0.get() {
            let opened = self.0.1.notified();
            if !self.0.0.get() {
                opened.await;
            }
        }
    }
}

/// A whole answer with a length.
pub(super) fn answer(status: u16, lines: &str, body: impl AsRef<[u8]>) -> Script {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} Scripted\r\n{lines}content-length: {}\r\n\r\n", body.len());
    vec![Act::Send([head.as_bytes(), body].concat())]
}

/// A whole JSON answer.
pub(super) fn json(status: u16, body: &str) -> Script {
    answer(status, "content-type: application/json\r\n", body)
}

/// An error of OpenAI's making that says when to come back, in milliseconds.
pub(super) fn busy(status: u16, wait_ms: u64) -> Script {
    let lines = format!("content-type: application/json\r\nretry-after-ms: {wait_ms}\r\n");
    answer(
        status,
        &lines,
        r#"{"error":{"message":"Come back later","type":"server_error","param":null,"code":null}}"#,
    )
}

/// Bytes as they are.
pub(super) fn raw(bytes: impl AsRef<[u8]>) -> Script {
    vec![Act::Send(bytes.as_ref().to_vec())]
}

/// A stream of events: its head, then each piece in a chunk and a write of its own.
pub(super) fn events(pieces: &[&str]) -> Script {
    let mut script =
        raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    script.extend(pieces.iter().map(|piece| chunk(piece)));
    script
}

/// One chunk.
pub(super) fn chunk(piece: &str) -> Act {
    Act::Send(format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes())
}

/// The last chunk.
pub(super) fn last() -> Act {
    Act::Send(b"0\r\n\r\n".to_vec())
}

/// What an upstream heard and when.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) request: Message,
    pub(super) at: Instant,
}

/// A running upstream.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    told: Rc<Told>,
}

type Answers = dyn Fn(usize, &Message) -> Script;

struct Told {
    answers: Box<Answers>,
    heard: RefCell<Vec<Heard>>,
    connections: Cell<usize>,
    gone: Cell<usize>,
    changed: Notify,
}

impl Upstream {
    /// Answers the first request with the first script, and so on; more requests than scripts are cut off.
    pub(super) async fn answering<const N: usize>(scripts: [Script; N]) -> Self {
        Self::by(move |index, _| scripts.get(index).cloned().unwrap_or_else(|| vec![Act::Close])).await
    }

    /// Answers every request alike.
    pub(super) async fn always(script: Script) -> Self {
        Self::by(move |_, _| script.clone()).await
    }

    /// Answers the requests as it finds right, each with its number.
    pub(super) async fn by(answers: impl Fn(usize, &Message) -> Script + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Rc::new(Told {
            answers: Box::new(answers),
            heard: RefCell::default(),
            connections: Cell::new(0),
            gone: Cell::new(0),
            changed: Notify::new(),
        });
        let serving = Rc::clone(&told);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = Rc::clone(&serving);
                told.connections.set(told.connections.get() + 1);
                spawn_local(async move { serve(&told, stream).await });
            }
        });
        Self { address, told }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.told.heard.borrow().clone()
    }

    /// The only request that was heard.
    pub(super) fn only(&self) -> Message {
        let heard = self.heard();
        assert_eq!(heard.len(), 1, "one request was to be heard");
        heard[0].request.clone()
    }

    /// How many requests were heard.
    pub(super) fn count(&self) -> usize {
        self.told.heard.borrow().len()
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.told.connections.get()
    }

    /// Waits until so many requests were heard.
    pub(super) async fn hears(&self, count: usize) {
        self.until(|told| told.heard.borrow().len() >= count).await;
    }

    /// Waits until the gateway has left so many silent answers alone.
    pub(super) async fn is_left(&self, count: usize) {
        self.until(|told| told.gone.get() >= count).await;
    }

    async fn until(&self, is: impl Fn(&Told) -> bool) {
        while !is(&self.told) {
            let changed = self.told.changed.notified();
            if !is(&self.told) {
                changed.await;
            }
        }
    }
}

async fn serve(told: &Told, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut wire = Wire::new(stream);
    while let Some(mut request) = wire.head().await {
        let index = told.heard.borrow().len();
        let script = (told.answers)(index, &request);
        let early = script.iter().any(|act| matches!(act, Act::Early));
        if !early {
            wire.body(&mut request).await;
        }
        told.heard.borrow_mut().push(Heard { request: request.clone(), at: Instant::now() });
        told.changed.notify_waiters();
        for act in script {
            if !play(told, &mut wire, act).await {
                return;
            }
        }
        if early {
            wire.body(&mut request).await;
            told.heard.borrow_mut()[index].request = request;
            told.changed.notify_waiters();
        }
    }
}

/// Does one thing; whether the connection goes on.
async fn play(told: &Told, wire: &mut Wire, act: Act) -> bool {
    match act {
        Act::Send(bytes) => return wire.stream.write_all(&bytes).await.is_ok(),
        Act::Rest(time) => sleep(time).await,
        Act::Until(gate) => gate.passed().await,
        Act::Open(gate) => gate.open(),
        Act::Early => {}
        Act::Close => {
            let _gone_already = wire.stream.shutdown().await;
            return false;
        }
        Act::Reset => {
            wire.stream.set_zero_linger().unwrap();
            return false;
        }
        Act::Silence => {
            let mut scratch = [0; 1024];
            while wire.stream.read(&mut scratch).await.unwrap_or(0) > 0 {}
            told.gone.set(told.gone.get() + 1);
            told.changed.notify_waiters();
            return false;
        }
    }
    true
}
