use uuid::Uuid;

/// Rows of one sort, each sort with ids of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Sort {
    Tenant = 1,
    Domain,
    LicenceProduct,
    DownloadProduct,
    ServiceProduct,
    User,
    Session,
    Token,
    Order,
    Item,
    Invoice,
    Payment,
    Receipt,
    Entitlement,
    Licence,
    Activation,
    Event,
    Message,
    Key,
    Booking,
    BookingEvent,
    Document,
    Release,
}

/// The id of the `number`-th row of a sort: of version 7, in the order of the numbers, so that a row can be named by
/// others before it is written.
pub fn id(sort: Sort, number: u64) -> Uuid {
    // Some years back, a thousand rows a second.
    const FIRST_MILLISECOND: u64 = 1_600_000_000_000;
    let mut random = [0; 10];
    random[0] = sort as u8;
    random[1..9].copy_from_slice(&number.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(FIRST_MILLISECOND + number, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_have_one_id() {
        let sorts = [Sort::Tenant, Sort::Order, Sort::Release];
        let ids: std::collections::HashSet<Uuid> =
            sorts.iter().flat_map(|sort| (0..2_000).map(|number| id(*sort, number))).collect();
        assert_eq!(ids.len(), 6_000);
    }
}
