use primetech_bookings::BookingStatus;
use proptest::prelude::*;

fn status() -> impl Strategy<Value = BookingStatus> {
    prop::sample::select(BookingStatus::ALL.as_slice())
}

/// Where a booking ends that is asked to become each of these in turn, and the moves that were taken.
fn walk(wishes: &[BookingStatus]) -> (BookingStatus, Vec<(BookingStatus, BookingStatus)>) {
    let (mut at, mut moves) = (BookingStatus::New, Vec::new());
    for &wish in wishes {
        if at.may_become(wish) {
            moves.push((at, wish));
            at = wish;
        }
    }
    (at, moves)
}

proptest! {
    #[test]
    fn a_status_is_read_as_it_is_written(status in status(), other in any::<String>()) {
        prop_assert_eq!(BookingStatus::parse(status.as_str()), Ok(status));
        let known = BookingStatus::ALL.iter().any(|known| known.as_str() == other);
        prop_assert_eq!(BookingStatus::parse(&other).is_ok(), known);
    }

    #[test]
    fn no_walk_is_longer_than_the_whole_way_or_comes_back(wishes in prop::collection::vec(status(), 0..40)) {
        let (_, moves) = walk(&wishes);
        prop_assert!(moves.len() <= 3);
        let mut seen = vec![BookingStatus::New];
        for (_, to) in &moves {
            prop_assert!(!seen.contains(to));
            seen.push(*to);
        }
    }

    #[test]
    fn only_what_has_not_begun_is_cancelled_and_nothing_follows_an_end(
        wishes in prop::collection::vec(status(), 0..40), after in status()
    ) {
        use BookingStatus::{Cancelled, Completed, Confirmed, InProgress, New};
        let (end, moves) = walk(&wishes);
        for (from, to) in moves {
            let expected = match to {
                New => false,
                Confirmed => from == New,
                InProgress => from == Confirmed,
                Completed => from == InProgress,
                Cancelled => from == New || from == Confirmed,
            };
            prop_assert!(expected, "{from:?} became {to:?}");
        }
        if matches!(end, Completed | Cancelled) {
            prop_assert!(!end.may_become(after));
        }
    }
}
