use std::rc::Rc;

use actix::{Actor, Context, Handler, ResponseFuture};

use super::attempts;
use super::messages::*;
use super::store;
use super::views::*;
use crate::batch::{Batch, BatchLimits, BatchQueue, Reply};
use crate::clock::SharedClock;
use crate::database::BatchTx;
use crate::database::Database;
use crate::fault::Fault;
use crate::idempotency;
use crate::page::Page;

/// Reads orders and their documents, and ties payments to Checkout Sessions, many in one commit.
pub struct OrderActor {
    database: Database,
    clock: SharedClock,
    attachments: Rc<BatchQueue<AttachBatch>>,
}

impl OrderActor {
    pub fn new(database: Database, clock: SharedClock, limits: BatchLimits) -> Self {
        let batch = AttachBatch { clock: clock.clone() };
        let attachments = Rc::new(BatchQueue::new(batch, &database, limits));
        Self { database, clock, attachments }
    }
}

impl Actor for OrderActor {
    type Context = Context<Self>;
}

crate::ask::carry_spans!(OrderActor);

struct AttachBatch {
    clock: SharedClock,
}

impl Batch for AttachBatch {
    type Item = AttachCheckout;
    type Done = ();
    type Error = Fault;
    const NAME: &'static str = "order.attach";

    async fn run(&self, tx: &mut BatchTx, items: &[AttachCheckout]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        tx.open_tenants_to_write(items.iter().map(|item| item.scope.tenant_id())).await?;
        attempts::attach(tx.connection(), now, items).await?;
        for item in items {
            if let Some((claim, answer)) = &item.answer {
                idempotency::save_answer(tx.connection(), item.scope.tenant_id(), claim, answer).await?;
            }
        }
        Ok(items.iter().map(|_| Ok(())).collect())
    }
}

impl Handler<AttachCheckout> for OrderActor {
    type Result = ResponseFuture<Result<(), Fault>>;

    fn handle(&mut self, message: AttachCheckout, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.attachments.submit(message))
    }
}

impl Handler<BeginAttempt> for OrderActor {
    type Result = ResponseFuture<Result<Attempt, Fault>>;

    fn handle(&mut self, message: BeginAttempt, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        let now = self.clock.now();
        Box::pin(async move {
            let BeginAttempt { scope, order_id, after } = message;
            database.write(&scope, async |tx| Ok(Ok(attempts::begin(tx, order_id, after, now).await?))).await
        })
    }
}

impl Handler<ListAttempts> for OrderActor {
    type Result = ResponseFuture<Result<Vec<AttemptRecord>, Fault>>;

    fn handle(&mut self, message: ListAttempts, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let ListAttempts { scope, order_id } = message;
            database.read(&scope, async |tx| attempts::list(tx, order_id).await).await
        })
    }
}

impl Handler<GetOrder> for OrderActor {
    type Result = ResponseFuture<Result<Option<OrderView>, Fault>>;

    fn handle(&mut self, message: GetOrder, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let GetOrder { viewer, order } = message;
            database.read(&viewer.scope, async |tx| store::find_order(tx, &viewer, &order).await).await
        })
    }
}

impl Handler<ListOrders> for OrderActor {
    type Result = ResponseFuture<Result<Page<OrderView>, Fault>>;

    fn handle(&mut self, message: ListOrders, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let ListOrders { viewer, page } = message;
            database.read(&viewer.scope, async |tx| store::list_orders(tx, &viewer, &page).await).await
        })
    }
}

impl Handler<GetInvoice> for OrderActor {
    type Result = ResponseFuture<Result<Option<InvoiceView>, Fault>>;

    fn handle(&mut self, message: GetInvoice, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let GetInvoice { viewer, number } = message;
            database
                .read(&viewer.scope, async |tx| store::find_invoice(tx, &viewer, number.as_str()).await)
                .await
        })
    }
}

impl Handler<GetReceipt> for OrderActor {
    type Result = ResponseFuture<Result<Option<ReceiptView>, Fault>>;

    fn handle(&mut self, message: GetReceipt, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let GetReceipt { viewer, number } = message;
            database
                .read(&viewer.scope, async |tx| store::find_receipt(tx, &viewer, number.as_str()).await)
                .await
        })
    }
}
