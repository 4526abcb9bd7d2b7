-- What the first release of bookings needs beyond the tables. No release has written bookings or events yet.

-- Which event of its booking an event is, from 1: the calendar's SEQUENCE.
ALTER TABLE booking_events ADD COLUMN position integer NOT NULL;
CREATE UNIQUE INDEX booking_events_position_key ON booking_events (tenant_id, booking_id, position);
DROP INDEX booking_events_by_booking;

-- Reference, name and address in lower case, folded by the application: what a cluster's locale makes of upper and
-- lower case differs.
ALTER TABLE bookings ADD COLUMN search_text text NOT NULL;
