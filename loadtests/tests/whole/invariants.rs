use loadtests::installation::Installation;
use loadtests::invariants::books;
use loadtests::seed::{Amount, fill};
use sqlx::AssertSqlSafe;

use crate::{installation, within_a_system};

async fn broken(installation: &Installation) -> Vec<String> {
    let promises = books(&mut installation.pool.acquire().await.unwrap()).await.unwrap();
    promises.into_iter().filter(|promise| !promise.holds).map(|promise| promise.what).collect()
}

#[test]
fn seeded_books_are_whole_and_each_damage_to_them_is_noticed() {
    within_a_system(async {
        let installation = installation(0, &[]).await;
        fill(&installation.pool, Amount::new(4, 80, Some(40)), false).await.unwrap();
        assert_eq!(broken(&installation).await, Vec::<String>::new());

        // Each is undone again, so that only one thing is wrong at a time. Foreign keys look away.
        for (damage, noticed) in [
            (
                "UPDATE invoices SET number = 'INV-2026-999999' WHERE ctid = (SELECT min(ctid) FROM invoices)",
                "invoice numbers",
            ),
            ("UPDATE counters SET last_value = last_value + 1 WHERE kind = 'INV'", "invoice numbers"),
            ("DELETE FROM counters WHERE kind = 'RCP'", "receipt numbers"),
            (
                "DELETE FROM receipts WHERE ctid = (SELECT min(ctid) FROM receipts)",
                "each paid order has one receipt",
            ),
            ("UPDATE orders SET status = 'PENDING', paid_at = NULL", "each paid order has one receipt"),
            ("UPDATE payments SET status = 'FAILED'", "order, invoice and payment"),
            (
                "DELETE FROM payments WHERE ctid = (SELECT min(ctid) FROM payments)",
                "each order has one invoice",
            ),
            (
                "UPDATE order_items SET quantity = 2, total = 9800 WHERE position = 1",
                "each order has one invoice",
            ),
            ("DELETE FROM entitlements WHERE ctid = (SELECT min(ctid) FROM entitlements)", "each paid item"),
            ("DELETE FROM licences WHERE order_id IS NOT NULL", "each paid item"),
            (
                "DROP INDEX activations_one_active;
                 INSERT INTO activations (tenant_id, id, licence_id, fingerprint, activated_at)
                 SELECT tenant_id, gen_random_uuid(), licence_id, fingerprint, activated_at FROM activations",
                "no licence has two",
            ),
            ("UPDATE bookings SET status = 'COMPLETED'", "the history of each booking"),
            ("DELETE FROM booking_events", "the history of each booking"),
        ] {
            let mut connection = installation.pool.acquire().await.unwrap();
            let statement = format!("SET session_replication_role = replica; BEGIN; {damage}");
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
            let promises = books(&mut connection).await.unwrap();
            let broken: Vec<&str> = promises
                .iter()
                .filter(|promise| !promise.holds)
                .map(|promise| promise.what.as_str())
                .collect();
            assert!(broken.iter().any(|what| what.starts_with(noticed)), "{damage}: {broken:?}");
            sqlx::raw_sql("ROLLBACK; RESET session_replication_role")
                .execute(&mut *connection)
                .await
                .unwrap();
        }
        installation.close().await.unwrap();
    });
}
