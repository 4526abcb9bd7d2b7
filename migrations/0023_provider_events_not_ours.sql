-- Refunds and disputes that bear no mark of ours and know no payment are IGNORED, and taken up when their payment comes.
CREATE INDEX webhook_events_taken_up ON webhook_events (provider, awaiting_ref)
    WHERE status IN ('PENDING', 'IGNORED') AND awaiting_ref IS NOT NULL;

-- What waits for a payment is given up after a time.
CREATE INDEX webhook_events_waiting ON webhook_events (received_at) WHERE status = 'PENDING' AND awaiting_ref IS NOT NULL;
