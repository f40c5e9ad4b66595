//! What is SQLite's alone: the file, its lock, and what a power cut leaves.

use std::fs;
use std::path::PathBuf;

use super::error::OpenError;
use super::trial::Trial;
use super::*;

fn folder(trial: &Trial) -> PathBuf {
    let StorePlace::Sqlite(path) = trial.place() else { panic!("no file") };
    path.parent().unwrap().to_owned()
}

fn told(trial: &Trial) -> String {
    let error = Store::open(trial.place()).unwrap_err();
    error.to_string().replace(&*folder(trial).to_string_lossy(), "DIR")
}

#[tokio::test]
async fn a_gateway_that_was_killed_finds_its_books_right() {
    let (trial, copy) = (Trial::file(), Trial::file());
    let store = trial.open();
    let ada = store.create_account("ada", None, "test").await.unwrap().id;
    let payment = Payment {
        account: "ada".to_owned(),
        kind: EntryKind::TopUp,
        amount: 100,
        reference: None,
        note: None,
    };
    store.pay(payment, "test").await.unwrap();
    store.reserve(&ada, 30, "r1").await.unwrap();
    // What lies on the disk at this moment is what a killed process leaves.
    fs::create_dir_all(folder(&copy)).unwrap();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(folder(&trial).join(name), folder(&copy).join(name)).unwrap();
    }
    let after = copy.open();
    let account = after.account("ada").await.unwrap().unwrap();
    assert_eq!((account.balance, account.reserved), (100, 0));
    assert!(copy.books_are_right().await);
    assert_eq!(
        copy.number("SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'").await,
        0
    );
    drop((store, after));
    trial.end().await;
    copy.end().await;
}

#[tokio::test]
async fn a_file_belongs_to_one_gateway_and_to_its_owner_alone() {
    let trial = Trial::file();
    let store = trial.open();
    assert_eq!(
        told(&trial),
        "the store's file DIR/store.db is used by another gateway; give this one a file of its own \
         (`sqlite:PATH`), or let both share a PostgreSQL"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        store.create_account("ada", None, "test").await.unwrap();
        for entry in fs::read_dir(folder(&trial)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
        assert_eq!(fs::metadata(folder(&trial)).unwrap().permissions().mode() & 0o777, 0o700);
    }
    drop(store);
    drop(trial.open());
    trial.end().await;
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_told_in_a_sentence() {
    let trial = Trial::file();
    drop(trial.open());
    trial
        .run(
            "INSERT INTO aplomb_migrations (version, description, success, checksum, execution_time) \
             VALUES (99, 'later', TRUE, x'00', 0)",
        )
        .await
        .unwrap();
    assert_eq!(
        told(&trial),
        "the store DIR/store.db was made by a newer version of Aplomb; use that version, or go back to a backup \
         from before the update"
    );
    let file = folder(&trial).join("store.db");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "this is a letter to my aunt, and long enough to be one ".repeat(50)).unwrap();
    let foreign = "DIR/store.db holds something else than Aplomb's store; give it a database of its own";
    assert_eq!(told(&trial), foreign);
    fs::remove_file(&file).unwrap();
    trial.run("CREATE TABLE accounts (name TEXT)").await.unwrap_err();
    fs::write(&file, "").unwrap();
    trial.run("CREATE TABLE accounts (name TEXT)").await.unwrap();
    assert_eq!(told(&trial), foreign);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let error = Store::open(trial.place()).unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    assert_eq!(told(&trial), "the store's file DIR/store.db can't be used");
    trial.end().await;
}
