//! The suite that every database must pass.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::gateways::Recover;
use super::idempotency::Sweep;
use super::trial::{Trial, over_both};
use super::*;

/// Far in the future: what is done at this time is not swept meanwhile.
const AT: Moment = Moment(4_000_000_000_000);

over_both![
    an_account_is_found_by_id_and_name_and_every_change_is_written_down,
    a_key_comes_with_its_account_until_it_is_revoked_and_after,
    others_hear_of_every_change_once_and_in_order,
    a_payment_counts_once_and_the_ledger_is_never_changed,
    money_is_put_aside_and_charged_once,
    many_at_once_never_put_aside_more_than_there_is,
    what_a_dead_gateway_had_put_aside_is_given_back_and_its_charge_still_counts_once,
    who_went_away_leaves_nothing_put_aside,
    one_does_it_and_the_others_get_its_answer,
    a_key_is_free_again_when_it_is_forgotten_or_over_its_time,
    what_nobody_knows_is_told_or_done_again,
    an_answer_and_its_charge_are_kept_together,
    what_is_over_its_time_is_swept_in_portions,
    a_store_is_there_again_after_it_was_closed,
];

async fn account(store: &Store, balance: i64) -> AccountId {
    let account = store.create_account("ada", None, "test").await.unwrap();
    store.pay(payment(&account.id, balance, None), "test").await.unwrap();
    account.id
}

fn payment(account: &AccountId, amount: i64, reference: Option<&str>) -> Payment {
    let (account, reference) = (account.as_str().to_owned(), reference.map(str::to_owned));
    Payment { account, kind: EntryKind::TopUp, amount, reference, note: Some("a note".to_owned()) }
}

async fn reserve(store: &Store, account: &AccountId, amount: i64, id: &str) -> Reservation {
    match store.reserve(account, amount, id).await.unwrap() {
        Reserve::Reserved { reservation, .. } => reservation,
        other @ Reserve::NotEnough { .. } => panic!("{other:?}"),
    }
}

async fn sums(store: &Store, account: &AccountId) -> (i64, i64) {
    let account = store.account(account.as_str()).await.unwrap().unwrap();
    (account.balance, account.reserved)
}

async fn an_account_is_found_by_id_and_name_and_every_change_is_written_down(trial: &Trial) {
    let store = trial.open();
    let made = store.create_account("ada", Some("free"), "root").await.unwrap();
    assert_eq!(store.account("ada").await.unwrap().unwrap(), made);
    assert_eq!(store.account(made.id.as_str()).await.unwrap().unwrap(), made);
    assert_eq!(store.account("eve").await.unwrap(), None);
    let taken = store.create_account("ada", None, "root").await.unwrap_err();
    assert_eq!(taken.refused(), Some(&Refused::NameTaken("ada".to_owned())));
    for name in ["", "a\nb", "a\0b", "acc_1", &"x".repeat(129)] {
        assert_eq!(
            store.create_account(name, None, "root").await.unwrap_err().refused(),
            Some(&Refused::BadName)
        );
    }
    let other = store.create_account("bob", None, "root").await.unwrap();
    let update = AccountUpdate {
        name: Some("eve".to_owned()),
        tier: Some(Some("pro".to_owned())),
        disabled: Some(true),
    };
    let changed = store.update_account("ada", update, "root").await.unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.tier.as_deref(), changed.disabled.is_some()),
        ("eve", Some("pro"), true)
    );
    assert_eq!(store.account("eve").await.unwrap().unwrap(), changed);
    let name = AccountUpdate { name: Some("bob".to_owned()), ..AccountUpdate::default() };
    assert!(store.update_account("eve", name, "root").await.unwrap_err().refused().is_some());
    assert!(store.update_account("ada", AccountUpdate::default(), "root").await.is_err());
    assert_eq!(store.accounts(None).await.unwrap(), [changed.clone(), other.clone()]);
    assert_eq!(store.accounts(Some(&changed.id)).await.unwrap(), [other]);
    let audit = store.audit(None, Some(made.id.as_str())).await.unwrap();
    let told: Vec<_> = audit.iter().map(|event| (event.what.as_str(), event.who.as_str())).collect();
    assert_eq!(told, [("account.update", "root"), ("account.create", "root")]);
    assert_eq!(audit[0].before, Some(json!({"name": "ada", "tier": "free", "disabled": false})));
    assert_eq!(audit[0].after, Some(json!({"name": "eve", "tier": "pro", "disabled": true})));
    assert_eq!(store.audit(Some(audit[0].n), Some(made.id.as_str())).await.unwrap().len(), 1);
}

fn new_key(id: &str, account: &AccountId) -> NewKey {
    NewKey {
        id: id.to_owned(),
        hash: [7; 32],
        account: account.as_str().to_owned(),
        name: "laptop".to_owned(),
        tier: Some("pro".to_owned()),
        scopes: json!({"routes": ["/groq"]}),
        expires: Some(Moment(4_000_000_000_000)),
    }
}

async fn a_key_comes_with_its_account_until_it_is_revoked_and_after(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 5).await;
    let key = store.create_key(new_key("k1", &ada), "root").await.unwrap();
    assert_eq!(
        (key.hash, &key.scopes, key.expires),
        ([7; 32], &json!({"routes": ["/groq"]}), Some(Moment(4_000_000_000_000)))
    );
    let found = store.find_key("k1").await.unwrap().unwrap();
    assert_eq!((&found.key, found.account.balance), (&key, 5));
    assert_eq!(store.find_key("k2").await.unwrap(), None);
    assert!(store.create_key(new_key("k1", &ada), "root").await.unwrap_err().refused().is_some());
    let nobody = AccountId::new("acc_none");
    assert!(store.create_key(new_key("k3", &nobody), "root").await.unwrap_err().refused().is_some());
    store.create_key(new_key("k2", &ada), "root").await.unwrap();
    let listed: Vec<_> = store.keys(Some(&ada), None).await.unwrap().into_iter().map(|key| key.id).collect();
    assert_eq!(listed, ["k1", "k2"]);
    assert_eq!(store.keys(None, Some("k1")).await.unwrap().len(), 1);
    assert_eq!(store.keys(Some(&nobody), None).await.unwrap(), []);
    store.touch_keys(vec![("k1".to_owned(), Moment(9)), ("k1".to_owned(), Moment(8))]).await.unwrap();
    assert_eq!(store.find_key("k1").await.unwrap().unwrap().key.last_used, Some(Moment(9)));
    let revoked = store.revoke_key("k1", "root").await.unwrap();
    assert!(revoked.revoked.is_some());
    assert_eq!(store.revoke_key("k1", "root").await.unwrap().revoked, revoked.revoked, "once");
    assert_eq!(store.find_key("k1").await.unwrap().unwrap().key.revoked, revoked.revoked);
    assert!(store.revoke_key("k9", "root").await.unwrap_err().refused().is_some());
    let audit = format!("{:?} {key:?} {:?}", store.audit(None, None).await.unwrap(), new_key("k1", &ada));
    assert!(!audit.contains("7, 7") && !audit.contains("0707"), "{audit}");
}

async fn others_hear_of_every_change_once_and_in_order(trial: &Trial) {
    let store = trial.open();
    let begin = store.changes_since(0).await.unwrap();
    assert_eq!(begin, Changes { upto: 0, everything: false, list: Vec::new() });
    let ada = account(&store, 5).await;
    store.create_key(new_key("k1", &ada), "root").await.unwrap();
    let changes = store.changes_since(begin.upto).await.unwrap();
    let told = |what, id: &str| Change { what, id: id.to_owned() };
    assert_eq!(changes.list, [told(Changed::Account, ada.as_str()), told(Changed::Key, "k1")]);
    assert_eq!(store.changes_since(changes.upto).await.unwrap().list, []);
    store.revoke_key("k1", "root").await.unwrap();
    assert_eq!(store.changes_since(changes.upto).await.unwrap().list, [told(Changed::Key, "k1")]);
    let lost = store.changes_since(1000).await.unwrap();
    assert!(lost.everything, "another database");
    trial.run("DELETE FROM changes WHERE n = 2").await.unwrap();
    let lost = store.changes_since(1).await.unwrap();
    assert!(lost.everything && lost.upto == 3, "older than what is kept");
}

async fn a_payment_counts_once_and_the_ledger_is_never_changed(trial: &Trial) {
    let store = trial.open();
    let ada = store.create_account("ada", None, "root").await.unwrap().id;
    let first = store.pay(payment(&ada, 700, Some("stripe_1")), "webhook").await.unwrap();
    assert_eq!(first, TopUp { balance: 700, counted: true });
    let again = store.pay(payment(&ada, 700, Some("stripe_1")), "webhook").await.unwrap();
    assert_eq!(again, TopUp { balance: 700, counted: false });
    let correction = Payment { kind: EntryKind::Correction, ..payment(&ada, -50, None) };
    assert_eq!(store.pay(correction, "root").await.unwrap().balance, 650);
    let huge = store.pay(payment(&ada, i64::MAX, None), "root").await.unwrap_err();
    assert_eq!(huge.refused(), Some(&Refused::TooMuch));
    let nobody = payment(&AccountId::new("acc_x"), 1, None);
    assert!(store.pay(nobody, "root").await.unwrap_err().refused().is_some());
    let lines: Vec<_> = store.ledger(&ada, None).await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.kind, line.amount, line.who.as_str())).collect();
    assert_eq!(told, [(EntryKind::Correction, -50, "root"), (EntryKind::TopUp, 700, "webhook")]);
    assert_eq!(store.ledger(&ada, Some(lines[0].n)).await.unwrap().len(), 1);
    assert!(trial.books_are_right().await);
    for sql in ["UPDATE ledger SET amount = 1", "DELETE FROM ledger"] {
        let told = trial.run(sql).await.unwrap_err().to_string();
        assert!(told.contains("append-only"), "{told}");
    }
}

async fn money_is_put_aside_and_charged_once(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 100).await;
    let one = reserve(&store, &ada, 60, "r1").await;
    let two = store.reserve(&ada, 60, "r2").await.unwrap();
    assert_eq!(two, Reserve::NotEnough { balance: 100, reserved: 60, needed: 60 });
    let small = reserve(&store, &ada, 40, "r3").await;
    assert_eq!(sums(&store, &ada).await, (100, 100));
    store.settled(one.clone(), 25).await.unwrap();
    store.settled(one.clone(), 25).await.unwrap();
    store.settled(one, 30).await.unwrap();
    assert_eq!(sums(&store, &ada).await, (75, 40));
    store.settled(small.clone(), 0).await.unwrap();
    store.settled(small, 0).await.unwrap();
    assert_eq!(sums(&store, &ada).await, (75, 0));
    let over = reserve(&store, &ada, 75, "r4").await;
    store.settled(over, 80).await.unwrap();
    assert_eq!(sums(&store, &ada).await, (-5, 0), "below nothing by what was not foreseen, and no more");
    assert!(matches!(store.reserve(&ada, 1, "r5").await.unwrap(), Reserve::NotEnough { balance: -5, .. }));
    let nobody = store.reserve(&AccountId::new("acc_x"), 1, "r6").await.unwrap_err();
    assert_eq!(nobody.refused(), Some(&Refused::NoAccount("acc_x".to_owned())));
    assert!(trial.books_are_right().await);
}

async fn many_at_once_never_put_aside_more_than_there_is(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 1000).await;
    let ids: Vec<_> = (0..200).map(|n| format!("r{n}")).collect();
    let asked = ids.iter().map(|id| store.reserve(&ada, 10, id));
    let got = futures_util::future::join_all(asked).await;
    let mut reserved = Vec::new();
    for one in got {
        if let Reserve::Reserved { reservation, .. } = one.unwrap() {
            reserved.push(reservation);
        }
    }
    assert_eq!(reserved.len(), 100);
    assert_eq!(sums(&store, &ada).await, (1000, 1000));
    reserved.into_iter().for_each(|one| store.settle(one, 3));
    drop(store);
    let store = trial.open();
    assert_eq!(sums(&store, &ada).await, (700, 0));
    assert!(trial.books_are_right().await);
}

async fn what_a_dead_gateway_had_put_aside_is_given_back_and_its_charge_still_counts_once(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 100).await;
    let reservation = reserve(&store, &ada, 60, "r1").await;
    let claimed = store.claim(claiming("k", 1)).await.unwrap();
    let left = store.ask(Recover(store.gateway().to_owned())).await.unwrap();
    assert_eq!((left.reservations, left.unknown, left.more), (1, 1, false));
    assert_eq!(sums(&store, &ada).await, (100, 0));
    // It was not dead after all.
    let Claimed::Mine(claim) = claimed else { panic!("{claimed:?}") };
    store.finish(claim, Some(record("late")), Some((reservation.clone(), 20))).await.unwrap();
    store.settled(reservation, 20).await.unwrap();
    assert_eq!(sums(&store, &ada).await, (80, 0));
    assert_eq!(store.claim(claiming("k", 1)).await.unwrap(), Claimed::Finished(Some(record("late"))));
    assert!(trial.books_are_right().await);
}

async fn who_went_away_leaves_nothing_put_aside(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 100).await;
    for n in 0..20 {
        let (id, key) = (format!("r{n}"), claiming(&format!("k{n}"), 1));
        let asked = futures_util::future::join(store.reserve(&ada, 5, &id), store.claim(key));
        // Asked for, and the caller hangs up at once.
        assert!(futures_util::FutureExt::now_or_never(asked).is_none());
    }
    let kept = "SELECT COUNT(*) FROM idempotency";
    for _ in 0..1000 {
        if sums(&store, &ada).await.1 == 0 && trial.number(kept).await == 0 {
            break;
        }
    }
    assert_eq!(sums(&store, &ada).await, (100, 0));
    assert_eq!(trial.number(kept).await, 0);
}

fn claiming(key: &str, print: u8) -> Claiming {
    Claiming {
        scope: "ada".to_owned(),
        key: key.to_owned(),
        fingerprint: [print; 32],
        ttl: Duration::from_secs(60),
        again_if_unknown: false,
        at: AT,
    }
}

fn record(body: &'static str) -> Record {
    let mut headers = HeaderMap::new();
    headers.insert("x-own", HeaderValue::from_static("1"));
    Record { status: 201, headers, body: Bytes::from_static(body.as_bytes()) }
}

async fn mine(store: &Store, claiming: Claiming) -> Claim {
    match store.claim(claiming).await.unwrap() {
        Claimed::Mine(claim) => claim,
        other => panic!("{other:?}"),
    }
}

async fn one_does_it_and_the_others_get_its_answer(trial: &Trial) {
    let store = trial.open();
    let claims = futures_util::future::join_all((0..50).map(|_| store.claim(claiming("k", 1)))).await;
    let mut claims: Vec<_> = claims.into_iter().map(Result::unwrap).collect();
    let at = claims.iter().position(|one| matches!(one, Claimed::Mine(_))).unwrap();
    let Claimed::Mine(claim) = claims.swap_remove(at) else { unreachable!() };
    assert!(claims.iter().all(|one| *one == Claimed::Running { since: AT }));
    assert_eq!(store.claim(claiming("k", 2)).await.unwrap(), Claimed::OtherPayload);
    let elsewhere = Claiming { scope: "bob".to_owned(), ..claiming("k", 2) };
    mine(&store, elsewhere).await;
    store.finish(claim.clone(), Some(record("done")), None).await.unwrap();
    assert_eq!(store.claim(claiming("k", 1)).await.unwrap(), Claimed::Finished(Some(record("done"))));
    assert_eq!(store.claim(claiming("k", 2)).await.unwrap(), Claimed::OtherPayload);
    // What is finished stays as it is.
    store.finish(claim.clone(), Some(record("other")), None).await.unwrap();
    store.forgotten(claim).await.unwrap();
    assert_eq!(store.claim(claiming("k", 1)).await.unwrap(), Claimed::Finished(Some(record("done"))));
}

async fn a_key_is_free_again_when_it_is_forgotten_or_over_its_time(trial: &Trial) {
    let store = trial.open();
    let claim = mine(&store, claiming("k", 1)).await;
    store.forgotten(claim.clone()).await.unwrap();
    let second = mine(&store, claiming("k", 2)).await;
    // The first run has nothing to say any more.
    store.finish(claim.clone(), Some(record("old")), None).await.unwrap();
    store.forgotten(claim).await.unwrap();
    assert!(matches!(store.claim(claiming("k", 2)).await.unwrap(), Claimed::Running { .. }));
    store.finish(second, Some(record("new")), None).await.unwrap();
    let last = Claiming { at: Moment(AT.0 + 59_999), ..claiming("k", 2) };
    assert_eq!(store.claim(last).await.unwrap(), Claimed::Finished(Some(record("new"))));
    let late = Claiming { at: Moment(AT.0 + 60_000), ..claiming("k", 3) };
    mine(&store, late).await;
}

async fn what_nobody_knows_is_told_or_done_again(trial: &Trial) {
    let store = trial.open();
    let claim = mine(&store, claiming("k", 1)).await;
    store.leave_unknown(claim, Some(record("504")), None).await.unwrap();
    assert_eq!(store.claim(claiming("k", 1)).await.unwrap(), Claimed::Unknown(Some(record("504"))));
    let again = Claiming { again_if_unknown: true, ..claiming("k", 1) };
    assert_eq!(
        store.claim(Claiming { fingerprint: [2; 32], ..again.clone() }).await.unwrap(),
        Claimed::OtherPayload
    );
    let claim = mine(&store, again).await;
    store.leave_unknown(claim, None, None).await.unwrap();
    assert_eq!(store.claim(claiming("k", 1)).await.unwrap(), Claimed::Unknown(None));
}

async fn an_answer_and_its_charge_are_kept_together(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 100).await;
    let reservation = reserve(&store, &ada, 60, "r1").await;
    let claim = mine(&store, claiming("k", 1)).await;
    store.finish(claim.clone(), Some(record("done")), Some((reservation.clone(), 45))).await.unwrap();
    store.finish(claim, Some(record("done")), Some((reservation, 45))).await.unwrap();
    assert_eq!(sums(&store, &ada).await, (55, 0));
    let ledger = store.ledger(&ada, None).await.unwrap();
    assert_eq!(
        (ledger[0].kind, ledger[0].amount, ledger[0].reference.as_deref()),
        (EntryKind::Charge, -45, Some("r1"))
    );
    assert!(trial.books_are_right().await);
}

async fn what_is_over_its_time_is_swept_in_portions(trial: &Trial) {
    let store = trial.open();
    let claims = (0..600).map(|n| store.claim(claiming(&format!("k{n}"), 1)));
    futures_util::future::join_all(claims).await.into_iter().for_each(|one| drop(one.unwrap()));
    let left = "SELECT COUNT(*) FROM idempotency";
    assert!(!store.ask(Sweep(Moment(AT.0 + 59_999))).await.unwrap());
    assert_eq!(trial.number(left).await, 600);
    assert!(store.ask(Sweep(Moment(AT.0 + 60_000))).await.unwrap());
    assert_eq!(trial.number(left).await, 100);
    assert!(!store.ask(Sweep(Moment(AT.0 + 60_000))).await.unwrap());
    assert_eq!(trial.number(left).await, 0);
}

async fn a_store_is_there_again_after_it_was_closed(trial: &Trial) {
    let store = trial.open();
    let ada = account(&store, 100).await;
    let settled = reserve(&store, &ada, 10, "r1").await;
    reserve(&store, &ada, 20, "r2").await;
    let claim = mine(&store, claiming("k", 1)).await;
    store.finish(claim, Some(record("done")), Some((settled, 7))).await.unwrap();
    drop(store);
    let store = trial.open();
    assert_eq!(sums(&store, &ada).await, (93, 0), "what was put aside for nobody is given back");
    assert_eq!(store.claim(claiming("k", 1)).await.unwrap(), Claimed::Finished(Some(record("done"))));
    assert_eq!(trial.number("SELECT COUNT(*) FROM gateways").await, 1);
}
