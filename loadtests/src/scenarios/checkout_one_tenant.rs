use super::checkouts::Checkouts;
use crate::Failure;
use crate::installation::Installation;

/// Each registration takes a password's hash, so there are fewer than clients.
const CUSTOMERS: usize = 20;

/// All invoices come from one counter.
pub async fn prepare(installation: &Installation) -> Result<Checkouts, Failure> {
    let shop = installation.open_shop().await?;
    let mut buyers = Vec::with_capacity(CUSTOMERS);
    for _ in 0..CUSTOMERS {
        let customer = shop.register(installation).await?;
        buyers.push((shop.clone(), customer));
    }
    installation.settle().await?;
    Ok(Checkouts::new(buyers))
}
