//! Whether what was seen after a step can be explained: by some order of its operations, one after the other.

use serde_json::Value;

use crate::operation::{Cart, Fact, Licence, Operation, Step};
use crate::reference::Shop;

/// The shops that the tenant may be after the step: each the outcome of an order in which every answer is the one that
/// was given, and all that can be seen is as it was seen. None: nothing explains it.
pub fn explanations(before: &[Shop], step: &Step, answers: &[String], seen: &Value) -> Vec<Shop> {
    let mut after: Vec<Shop> = Vec::new();
    for shop in before {
        try_orders(shop, step, answers, seen, &mut vec![false; step.len()], &mut after);
    }
    after
}

fn try_orders(
    shop: &Shop,
    step: &Step,
    answers: &[String],
    seen: &Value,
    done: &mut Vec<bool>,
    after: &mut Vec<Shop>,
) {
    if done.iter().all(|done| *done) {
        if shop.seen() == *seen && !after.contains(shop) {
            after.push(shop.clone());
        }
        return;
    }
    for at in 0..step.len() {
        if done[at] {
            continue;
        }
        let mut next = shop.clone();
        if is_refused_meanwhile(step, answers, at) || next.apply(&step[at]) == answers[at] {
            done[at] = true;
            try_orders(&next, step, answers, seen, done, after);
            done[at] = false;
        }
    }
}

/// The one answer that no serial order gives: the first request with this key is still running. It does nothing, and
/// there must be such a request, which made an order.
fn is_refused_meanwhile(step: &Step, answers: &[String], at: usize) -> bool {
    let Operation::CheckOut { key, .. } = step[at] else { return false };
    answers[at] == "409 IDEMPOTENCY_IN_PROGRESS"
        && step.iter().zip(answers).any(|(other, answer)| {
            matches!(other, Operation::CheckOut { key: same, .. } if *same == key)
                && answer.ends_with("replayed false")
        })
}

/// A paid order of one licence, and what is seen of it.
fn with_a_licence() -> (Shop, Licence) {
    let mut shop = Shop::default();
    shop.apply(&Operation::CheckOut { cart: Cart::Editor, key: 0 });
    shop.apply(&Operation::Deliver { order: 0, fact: Fact::Paid });
    (shop, Licence { order: 0, unit: 0 })
}

#[test]
fn two_devices_that_both_got_in_are_explained_by_nothing() {
    let (shop, licence) = with_a_licence();
    let step: Step = (0..2).map(|device| Operation::Activate { licence, device }).collect();
    let answers = |second: &str| vec!["201 created true on device-0".to_owned(), second.to_owned()];
    let mut after = shop.clone();
    after.apply(&step[0]);
    let before = [shop];
    assert_eq!(
        explanations(&before, &step, &answers("409 LICENCE_MAX_ACTIVATIONS"), &after.seen()),
        [after.clone()]
    );
    assert_eq!(explanations(&before, &step, &answers("201 created true on device-1"), &after.seen()), []);
    assert_eq!(
        explanations(&before, &step, &answers("409 LICENCE_MAX_ACTIVATIONS"), &before[0].seen()),
        [],
        "it was answered, and is not there"
    );
}

#[test]
fn a_key_is_in_progress_only_beside_the_request_that_made_the_order() {
    let step = vec![Operation::CheckOut { cart: Cart::Icons, key: 0 }; 2];
    let answers = |first: &str| vec![first.to_owned(), "409 IDEMPOTENCY_IN_PROGRESS".to_owned()];
    let mut after = Shop::default();
    let made = after.apply(&step[0]);
    let before = [Shop::default()];
    assert_eq!(explanations(&before, &step, &answers(&made), &after.seen()), [after]);
    let neither = answers("409 IDEMPOTENCY_IN_PROGRESS");
    assert_eq!(explanations(&before, &step, &neither, &before[0].seen()), []);
}
