-- Stripe takes up to twelve digits in some currencies (IDR), and the program checks a price by its currency's own limits.
-- With 50 items of 999 units a total stays far from overflow: 5 * 10^16.
ALTER TABLE products
    DROP CONSTRAINT products_unit_amount_range,
    ADD CONSTRAINT products_unit_amount_range CHECK (unit_amount BETWEEN 0 AND 999999999999) NOT VALID;
ALTER TABLE products VALIDATE CONSTRAINT products_unit_amount_range;
