use super::checkouts::Checkouts;
use crate::Failure;
use crate::installation::Installation;

/// Enough that two clients seldom meet in one.
const SHOPS: usize = 100;

/// Each shop has a counter of its own.
pub async fn prepare(installation: &Installation) -> Result<Checkouts, Failure> {
    let mut buyers = Vec::with_capacity(SHOPS);
    for _ in 0..SHOPS {
        let shop = installation.open_shop().await?;
        let customer = shop.register(installation).await?;
        buyers.push((shop, customer));
    }
    installation.settle().await?;
    Ok(Checkouts::new(buyers))
}
