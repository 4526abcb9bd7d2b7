//! Many customers start checkouts at one shop; its invoices are numbered without a gap.

use std::sync::Arc;

use reqwest::StatusCode;

use super::must_hold;
use crate::installation::{Customer, Installation};
use crate::load::closed_loop;
use crate::{Failure, Load};

/// Customers who buy. Each registration takes a password's hash, so there are fewer than clients.
const CUSTOMERS: usize = 20;

pub async fn run(installation: &Installation, load: Load) -> Result<(), Failure> {
    let run = crate::installation::run_id();
    let mut customers: Vec<Customer> = Vec::new();
    for at in 0..CUSTOMERS {
        customers.push(installation.register(&format!("load-{run}-{at}@example.com")).await?);
    }
    let before = orders(installation).await?;
    let shared = Arc::new(Installation {
        base: installation.base.clone(),
        stripe: installation.stripe.clone(),
        database: installation.database.clone(),
        http: installation.http.clone(),
    });
    let customers: Arc<[Customer]> = customers.into();
    let measured = closed_loop(load, move |client, _| {
        let (installation, customers) = (Arc::clone(&shared), Arc::clone(&customers));
        async move {
            let customer = &customers[client as usize % customers.len()];
            let (status, _): (StatusCode, String) = installation.start_checkout(customer).await?;
            Ok(status.as_u16())
        }
    })
    .await?;
    measured.print();
    let written = orders(installation).await? - before;
    must_hold("an order was written for each 201", u64::try_from(written)? >= measured.answered(201))?;
    let (gaps,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM (
             SELECT tenant_id, left(number, 8), count(*) AS invoices, count(DISTINCT number) AS numbers,
                    max(right(number, 6)::integer) AS last
             FROM invoices GROUP BY 1, 2
         ) AS series WHERE invoices <> last OR numbers <> last",
    )
    .fetch_one(&installation.database)
    .await?;
    must_hold("every series of invoice numbers is without gap and repeat", gaps == 0)
}

async fn orders(installation: &Installation) -> Result<i64, Failure> {
    let (count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM orders").fetch_one(&installation.database).await?;
    Ok(count)
}
