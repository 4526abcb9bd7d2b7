//! The mail about points that were earned.

use std::sync::Arc;

use primetech_kernel::events::Place;
use primetech_kernel::outbox::{Delivery, DeliveryError, Sort};
use primetech_module::UserLetter;

use crate::{Loyalty, PointsEarned};

/// Points take their turn with the mails of other sorts, and wait for none.
const EARNED: Sort = Sort::new("loyalty-earned");

pub(crate) fn place(_: &PointsEarned) -> Option<Place> {
    Some(Place { sort: EARNED, subject: None })
}

pub(crate) async fn tell_the_customer(
    loyalty: Arc<Loyalty>,
    delivery: Delivery,
    earned: PointsEarned,
) -> Result<(), DeliveryError> {
    let PointsEarned { points, expires_at, .. } = earned;
    let words = if points == 1 { "1 point".to_owned() } else { format!("{points} points") };
    let letter = UserLetter {
        user_id: earned.user_id,
        subject: format!("you have earned {words}"),
        paragraphs: vec![format!(
            "Your order has earned you {words}. You can redeem them until {}.",
            expires_at.format("%Y-%m-%d")
        )],
    };
    loyalty.mail.send(delivery, letter).await
}
