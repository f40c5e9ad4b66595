//! Reserve: whether the caller's account can pay for the request; what it may cost is put aside.

use aplomb_core::{Failure, Fault, Kind};

use crate::caller::Caller;
use crate::config::OnStoreDown;
use crate::model;
use crate::money::{Estimate, Money, shown};
use crate::problem::Problem;
use crate::stage::receive::Received;
use crate::store::{AccountId, Reservation, Reserve, StoreError};
use crate::trail::Trail;
use crate::worker::Worker;

/// Puts aside what the request may cost.
///
/// # Errors
/// The account hasn't got it; or nobody can tell, and the route lets nobody in then.
pub(crate) async fn put(
    worker: &Worker,
    received: &Received,
    caller: &Caller,
    trail: &mut Trail,
) -> Result<Option<Money>, Box<Problem>> {
    let protect = &received.way.route.protect;
    let (false, Some(account)) = (protect.price.is_free(), &caller.account) else { return Ok(None) };
    let Some(store) = &worker.shared().store else { return Ok(None) };
    let account = AccountId::new(account);
    let estimate = estimate(received);
    let amount = estimate.most();
    if amount == 0 {
        return Ok(None);
    }
    let id = format!("res_{}", worker.new_uuid().simple());
    let remembered = &worker.shared().remembered;
    match store.reserve(&account, amount, &id).await {
        Ok(Reserve::Reserved { reservation, left }) => {
            remembered.note(&account, left);
            Ok(Some(Money::new(store.clone(), reservation, estimate)))
        }
        Ok(Reserve::NotEnough { balance, reserved, needed }) => {
            remembered.note(&account, balance - reserved);
            Err(received.told(dry(balance, reserved, needed)))
        }
        Err(error) => {
            if !matches!(error, StoreError::Down) {
                tracing::error!(target: "aplomb::store", id = &*received.id, %error, "nothing can be put aside");
            }
            trail.store_down = true;
            let taken = match protect.on_store_down {
                OnStoreDown::Open => return Ok(None),
                OnStoreDown::Closed => Err(None),
                OnStoreDown::Local => remembered.take(&account, amount),
            };
            match taken {
                Ok(()) => {
                    let reservation = Reservation { id, account, amount };
                    Ok(Some(Money::new(store.clone(), reservation, estimate)))
                }
                Err(Some(left)) => Err(received.told(dry(left, 0, amount))),
                Err(None) => Err(received.told(Problem::store_down("balances"))),
            }
        }
    }
}

fn estimate(received: &Received) -> Estimate {
    let body = received.body.kept();
    let first = received.way.targets.first();
    let dialect = first.and_then(|target| target.dialect);
    let place = dialect.and_then(|dialect| dialect.model.as_ref());
    let bytes = body.map(|body| &body[..]).unwrap_or_default();
    let model = place.and_then(|place| model::named(place, received.rest.with_query(), bytes));
    Estimate::new(received.way.route.protect.price.of(model.as_deref()), dialect, body)
}

/// The account hasn't got what the request may cost.
fn dry(balance: i64, reserved: i64, needed: i64) -> Problem {
    let aside = match reserved {
        0 => String::new(),
        reserved => format!(", of which {} is put aside for requests under way", shown(reserved)),
    };
    let message = format!(
        "the account's balance is {}{aside}, and this request may cost {}; top up the account, or ask for less",
        shown(balance),
        shown(needed)
    );
    let mut failure = Failure::new(Kind::PaymentRequired)
        .fault(Fault::Policy)
        .message(message)
        .code("insufficient_balance");
    for (name, micros) in [("balance", balance), ("reserved", reserved), ("needed", needed)] {
        failure.details.insert(format!("{name}_micros"), micros.into());
    }
    Problem::local(failure)
}
