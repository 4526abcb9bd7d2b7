//! Many devices ask for one licence at the same time; one gets it.

use std::sync::Arc;

use serde_json::json;

use super::must_hold;
use crate::installation::Installation;
use crate::load::closed_loop;
use crate::{Failure, Load};

pub async fn run(installation: &Installation, load: Load) -> Result<(), Failure> {
    let run = crate::installation::run_id();
    let customer = installation.register(&format!("load-{run}@example.com")).await?;
    let key: Arc<str> = installation.buy_licence(&customer).await?.into();
    let (http, url) = (installation.http.clone(), format!("{}/api/licences/activate", installation.base));
    let asked = Arc::clone(&key);
    let measured = closed_loop(load, move |client, sent| {
        let body = json!({"licKey": &*asked, "fingerprint": format!("device-{client}-{sent}")});
        let request = http.post(&url).json(&body);
        async move { Ok(request.send().await?.status().as_u16()) }
    })
    .await?;
    measured.print();
    let (active,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM activations a JOIN licences l ON l.tenant_id = a.tenant_id AND l.id = a.licence_id
         WHERE l.key = $1 AND a.deactivated_at IS NULL",
    )
    .bind(&*key)
    .fetch_one(&installation.database)
    .await?;
    must_hold("the licence has one active activation", active == 1)?;
    must_hold("exactly one device was answered 201", measured.answered(201) == 1)
}
