//! What can happen to a tenant, and how histories of it are made.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::{prop_compose, prop_oneof};
use serde::{Deserialize, Serialize};

/// Operations that are in flight at the same time.
pub type Step = Vec<Operation>;

/// Steps one after the other.
pub type History = Vec<Step>;

/// Of a licence key that nobody has.
pub const UNKNOWN: u8 = u8::MAX;

/// One call, or one thing that happens. Numbers are made small by what there is: see [`crate::reference::Shop::bind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    CheckOut {
        cart: Cart,
        /// Which `Idempotency-Key`.
        key: u8,
    },
    /// The same checkout again, its answer being lost and its session's time being over: another attempt.
    TryAgain {
        order: u8,
    },
    Deliver {
        order: u8,
        fact: Fact,
    },
    ReadOrder {
        order: u8,
        by: Reader,
    },
    ReadInvoice {
        order: u8,
    },
    Activate {
        licence: Licence,
        device: u8,
    },
    Deactivate {
        licence: Licence,
        by: Leaver,
    },
    Validate {
        licence: Licence,
        device: Option<u8>,
    },
    ReadLicence {
        licence: Licence,
        by: Reader,
    },
    /// By the operator.
    Revoke {
        licence: Licence,
    },
    /// The licence's time is over.
    Lapse {
        licence: Licence,
    },
    Book,
    MoveBooking {
        booking: u8,
        to: Booking,
    },
    TrackBooking {
        booking: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cart {
    Editor,
    TwoEditors,
    Icons,
    EditorAndIcons,
}

impl Cart {
    /// Skus with their quantities.
    pub fn items(self) -> &'static [(&'static str, u8)] {
        match self {
            Self::Editor => &[("editor", 1)],
            Self::TwoEditors => &[("editor", 2)],
            Self::Icons => &[("icons", 1)],
            Self::EditorAndIcons => &[("editor", 1), ("icons", 1)],
        }
    }

    pub fn total(self) -> i64 {
        match self {
            Self::Editor => 4900,
            Self::TwoEditors => 9800,
            Self::Icons => 1900,
            Self::EditorAndIcons => 6800,
        }
    }

    pub fn licences(self) -> u8 {
        match self {
            Self::Editor | Self::EditorAndIcons => 1,
            Self::TwoEditors => 2,
            Self::Icons => 0,
        }
    }
}

/// What the provider tells of an order: each is one event, however often it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    Paid,
    /// `async_payment_succeeded`.
    PaidLater,
    Unpaid,
    /// `async_payment_failed`.
    BankRefused,
    Expired,
    /// By the order's first session, which another attempt may have followed.
    PaidByTheFirst,
    /// The first session's end.
    FirstExpired,
    PaidTooLittle,
    PaidInOtherCurrency,
    /// So many hundreds of the total, altogether.
    RefundedPartly(u8),
    Refunded,
    /// The refund with this number failed: 1 to 3 are of a hundred, 4 is of the rest.
    RefundFailed(u8),
    /// What failed was refunded once more.
    RefundedAgain,
    /// By its number. The disputes 0 and 2 are won at first, 1 is lost.
    Disputed(u8),
    DisputeClosed(u8),
    /// It ended the other way after all.
    DisputeTurned(u8),
    /// A type that means nothing here.
    Unhandled,
}

impl Fact {
    /// Its part of the event's id.
    pub fn name(self) -> String {
        match self {
            Self::RefundedPartly(hundreds) => format!("refunded{hundreds}"),
            Self::Disputed(dispute) => format!("disputed{dispute}"),
            Self::DisputeClosed(dispute) => format!("closed{dispute}"),
            Self::DisputeTurned(dispute) => format!("turned{dispute}"),
            Self::RefundFailed(refund) => format!("refundfailed{refund}"),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

impl Fact {
    /// When it happened, in seconds after the order: the provider's time does not depend on when it tells.
    pub fn happened(self) -> u32 {
        match self {
            Self::RefundedPartly(hundreds) => 100 + u32::from(hundreds),
            Self::Refunded => 110,
            // After the last refund, the fourth in the same second as it.
            Self::RefundFailed(refund) => 114 - u32::from(refund),
            Self::RefundedAgain => 120,
            Self::Disputed(_) => 200,
            Self::DisputeClosed(_) => 210,
            Self::DisputeTurned(_) => 220,
            _ => 10,
        }
    }
}

/// Whether this dispute ends for the shop at first.
pub fn is_won(dispute: u8) -> bool {
    dispute != 1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    pub order: u8,
    /// From 0, or [`UNKNOWN`].
    pub unit: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reader {
    Owner,
    Admin,
    /// Another customer.
    Stranger,
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaver {
    Device(u8),
    Session(Reader),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Booking {
    New,
    Confirmed,
    InProgress,
    Completed,
    Cancelled,
}

impl Booking {
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Confirmed => "CONFIRMED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

fn cart() -> impl Strategy<Value = Cart> {
    prop_oneof![
        4 => Just(Cart::Editor),
        2 => Just(Cart::TwoEditors),
        1 => Just(Cart::Icons),
        1 => Just(Cart::EditorAndIcons),
    ]
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        8 => Just(Fact::Paid),
        2 => Just(Fact::PaidLater),
        1 => Just(Fact::Unpaid),
        2 => Just(Fact::BankRefused),
        2 => Just(Fact::Expired),
        1 => Just(Fact::PaidTooLittle),
        1 => Just(Fact::PaidInOtherCurrency),
        3 => (1_u8..4).prop_map(Fact::RefundedPartly),
        3 => Just(Fact::Refunded),
        3 => (1_u8..5).prop_map(Fact::RefundFailed),
        1 => Just(Fact::RefundedAgain),
        4 => (0_u8..3).prop_map(Fact::Disputed),
        4 => (0_u8..3).prop_map(Fact::DisputeClosed),
        3 => (0_u8..3).prop_map(Fact::DisputeTurned),
        1 => Just(Fact::PaidByTheFirst),
        1 => Just(Fact::FirstExpired),
        1 => Just(Fact::Unhandled),
    ]
}

fn reader() -> impl Strategy<Value = Reader> {
    prop_oneof![
        4 => Just(Reader::Owner),
        1 => Just(Reader::Admin),
        1 => Just(Reader::Stranger),
        1 => Just(Reader::Nobody),
    ]
}

fn booking() -> impl Strategy<Value = Booking> {
    prop_oneof![
        1 => Just(Booking::New),
        3 => Just(Booking::Confirmed),
        2 => Just(Booking::InProgress),
        1 => Just(Booking::Completed),
        2 => Just(Booking::Cancelled),
    ]
}

prop_compose! {
    fn licence()(order in 0_u8..4, unit in 0_u8..2) -> Licence {
        Licence { order, unit }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let leaver = prop_oneof![
        3 => (0_u8..3).prop_map(Leaver::Device),
        2 => reader().prop_map(Leaver::Session),
    ];
    prop_oneof![
        3 => (cart(), 0_u8..4).prop_map(|(cart, key)| Operation::CheckOut { cart, key }),
        14 => (0_u8..4, fact()).prop_map(|(order, fact)| Operation::Deliver { order, fact }),
        1 => (0_u8..4, reader()).prop_map(|(order, by)| Operation::ReadOrder { order, by }),
        1 => (0_u8..4).prop_map(|order| Operation::ReadInvoice { order }),
        7 => (licence(), 0_u8..3).prop_map(|(licence, device)| Operation::Activate { licence, device }),
        4 => (licence(), leaver).prop_map(|(licence, by)| Operation::Deactivate { licence, by }),
        3 => (licence(), proptest::option::of(0_u8..3))
            .prop_map(|(licence, device)| Operation::Validate { licence, device }),
        1 => (licence(), reader()).prop_map(|(licence, by)| Operation::ReadLicence { licence, by }),
        1 => licence().prop_map(|licence| Operation::Revoke { licence }),
        1 => licence().prop_map(|licence| Operation::Lapse { licence }),
        1 => Just(Operation::Book),
        2 => (0_u8..2, booking()).prop_map(|(booking, to)| Operation::MoveBooking { booking, to }),
        1 => (0_u8..2).prop_map(|booking| Operation::TrackBooking { booking }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => operation().prop_map(|operation| vec![operation]),
        // Alone: whose answer is lost is no question of order.
        1 => (0_u8..4).prop_map(|order| vec![Operation::TryAgain { order }]),
        4 => vec(operation(), 2..=3),
        // The same thing at the same time: a provider's second delivery, an impatient client.
        2 => (operation(), 2_usize..=3).prop_map(|(operation, times)| vec![operation; times]),
        // What is most contested: news of one order, through both instances; several devices for one licence.
        2 => (0_u8..2, vec(fact(), 2..=3)).prop_map(|(order, facts)| {
            facts.into_iter().map(|fact| Operation::Deliver { order, fact }).collect()
        }),
        1 => licence().prop_map(|licence| {
            (0..3).map(|device| Operation::Activate { licence, device }).collect()
        }),
    ]
}

/// A history begins with an order, which is paid at once in half of them: most of what can happen is about one.
pub fn history() -> impl Strategy<Value = History> {
    (cart(), any::<bool>(), vec(step(), 2..=10)).prop_map(|(cart, is_paid, steps)| {
        let mut history = vec![vec![Operation::CheckOut { cart, key: 0 }]];
        if is_paid {
            history.push(vec![Operation::Deliver { order: 0, fact: Fact::Paid }]);
        }
        history.extend(steps);
        history
    })
}
