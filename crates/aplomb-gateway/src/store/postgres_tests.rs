//! What is PostgreSQL's alone: a server that goes away and comes back.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::trial::Trial;
use super::*;

/// What stands between the gateway and its server, and can be cut.
struct Cable {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    streams: Vec<TcpStream>,
}

impl Cable {
    fn to(server: (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut state = shared.lock().unwrap();
                // One that is accepted while the cable is cut is dropped at once.
                if !state.is_cut {
                    let far = TcpStream::connect(&server).unwrap();
                    state.streams.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                    copy(near.try_clone().unwrap(), far.try_clone().unwrap());
                    copy(far, near);
                }
            }
        });
        Self { address, state }
    }

    fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_cut = true;
        for stream in state.streams.drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.state.lock().unwrap().is_cut = false;
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _cut = io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Both);
    });
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_and_heals_by_itself() {
    let Some(trial) = Trial::server().await else { return };
    let StorePlace::Postgres(options) = trial.place() else { panic!("no server") };
    let cable = Cable::to((options.get_host().to_owned(), options.get_port()));
    let options = options.host(&cable.address.ip().to_string()).port(cable.address.port());
    let store = Store::open(StorePlace::Postgres(Box::new(options))).unwrap();
    let ada = store.create_account("ada", None, "test").await.unwrap().id;
    let payment = Payment {
        account: "ada".to_owned(),
        kind: EntryKind::TopUp,
        amount: 100,
        reference: None,
        note: None,
    };
    store.pay(payment, "test").await.unwrap();
    let Reserve::Reserved { reservation, .. } = store.reserve(&ada, 30, "r1").await.unwrap() else {
        panic!("not enough")
    };
    cable.cut();
    let began = std::time::Instant::now();
    let error = store.reserve(&ada, 30, "r2").await.unwrap_err();
    assert!(matches!(error, StoreError::Down), "{error:?}");
    assert!(began.elapsed().as_secs() < 6, "{:?}", began.elapsed());
    assert!(!store.health().is_up());
    // From now on nobody waits at all, and what must be done is kept.
    assert!(matches!(store.settled(reservation, 20).await.unwrap_err(), StoreError::Down));
    assert!(matches!(store.account("ada").await.unwrap_err(), StoreError::Down));
    cable.mend();
    let settled = "SELECT COUNT(*) FROM ledger WHERE reference = 'r1'";
    while trial.number(settled).await == 0 {}
    let account = loop {
        if let Ok(account) = store.account("ada").await {
            break account.unwrap();
        }
    };
    assert_eq!((account.balance, account.reserved), (80, 0));
    assert_eq!((store.health().is_up(), store.health().outages()), (true, 1));
    drop(store);
    assert!(trial.books_are_right().await);
    trial.end().await;
}

#[tokio::test]
async fn a_server_that_refuses_is_told_without_its_password() {
    let Some(trial) = Trial::server().await else { return };
    let StorePlace::Postgres(options) = trial.place() else { panic!("no server") };
    let at = format!("postgres://{}:{}/nowhere", options.get_host(), options.get_port());
    let options = options.database("nowhere").password("s3cret");
    let error = Store::open(StorePlace::Postgres(Box::new(options))).unwrap_err();
    assert_eq!(error.to_string(), format!("the store {at} can't be opened"));
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().contains("\"nowhere\" does not exist"), "{cause}");
    assert!(!format!("{error} {error:?} {cause}").contains("s3cret"));
    trial.end().await;
}
