"""Stripe's own Python library against the stand-in: what it makes, reads, ends and verifies.

Arguments: the stand-in's address, the secret key, the webhook secret, a time for `expires_at`, and a folder that holds
a delivered event (`payload`) with its signature header (`signature`).
"""

import pathlib
import sys

import stripe

base_url, secret_key, webhook_secret, expires_at, folder = sys.argv[1:]
client = stripe.StripeClient(
    secret_key, base_addresses={"api": base_url}, max_network_retries=2, http_client=stripe.RequestsClient()
)
sessions = client.v1.checkout.sessions

parameters = {
    "mode": "payment",
    "client_reference_id": "order-1",
    "customer_email": "grace@example.com",
    "expires_at": int(expires_at),
    "line_items": [
        {"price_data": {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Größe & <Co>"}}, "quantity": 2},
        {"price_data": {"currency": "eur", "unit_amount": 0, "product_data": {"name": "Gift"}}, "quantity": 1},
    ],
    "metadata": {"tenantId": "t-1", "orderId": "o-1"},
    "payment_intent_data": {"metadata": {"orderId": "o-1"}},
    "success_url": "https://shop.example/thanks?s={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/cart",
}
created = sessions.create(parameters, {"idempotency_key": "python-1"})
assert created.amount_total == 2500 and created.currency == "eur", created
assert created.status == "open" and created.payment_status == "unpaid", created
assert created.metadata["tenantId"] == "t-1", created
assert created.url.startswith(base_url), created
again = sessions.create(parameters, {"idempotency_key": "python-1"})
assert again.id == created.id
assert again.last_response.headers["idempotent-replayed"] == "true"

retrieved = sessions.retrieve(created.id, {"expand": ["line_items"]})
assert retrieved.client_reference_id == "order-1"
assert [item.description for item in retrieved.line_items.data] == ["Größe & <Co>", "Gift"]
assert [item.quantity for item in sessions.line_items.list(created.id).data] == [2, 1]

expired = sessions.expire(created.id)
assert expired.status == "expired" and expired.url is None, expired
assert sessions.list({"limit": 1}).data[0].id == created.id


def error_of(call):
    try:
        call()
    except stripe.StripeError as error:
        return error
    raise AssertionError("no error")


error = error_of(lambda: sessions.create({**parameters, "cancel_url": "https://x.example"}, {"idempotency_key": "python-1"}))
assert isinstance(error, stripe.IdempotencyError), error
error = error_of(lambda: sessions.create({**parameters, "success_url": "nonsense"}))
assert isinstance(error, stripe.InvalidRequestError) and error.param == "success_url", error
assert error.code == "url_invalid" and error.request_id.startswith("req_"), error
error = error_of(lambda: sessions.retrieve("cs_test_nobody"))
assert error.http_status == 404 and error.code == "resource_missing", error
stranger = stripe.StripeClient("sk_test_stranger_of_some_length", base_addresses={"api": base_url})
error = error_of(lambda: stranger.v1.checkout.sessions.retrieve(created.id))
assert isinstance(error, stripe.AuthenticationError), error

payload = (pathlib.Path(folder) / "payload").read_bytes()
signature = (pathlib.Path(folder) / "signature").read_text()
event = stripe.Webhook.construct_event(payload, signature, webhook_secret)
assert event.type == "checkout.session.completed", event
assert event.data.object.payment_status == "paid", event
assert client.v1.events.retrieve(event.id).data.object.id == event.data.object.id
try:
    stripe.Webhook.construct_event(payload + b" ", signature, webhook_secret)
except stripe.SignatureVerificationError:
    pass
else:
    raise AssertionError("a changed payload was accepted")

intent = client.v1.payment_intents.retrieve(event.data.object.payment_intent)
assert intent.status == "succeeded", intent
charge = client.v1.charges.retrieve(intent.latest_charge)
assert charge.paid and not charge.refunded, charge
refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
assert client.v1.refunds.retrieve(refund.id).amount == 100
assert client.v1.charges.retrieve(charge.id).amount_refunded == 100
print("all checks passed")
