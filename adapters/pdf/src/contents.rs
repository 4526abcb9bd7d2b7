//! What an invoice and a receipt say.
//!
//! Owns the words, and which facts stand on which document; `layout` puts them on paper. Dates are those of UTC.

use chrono::{DateTime, Utc};

use crate::document::{Invoice, Item, Receipt, Seller};
use crate::lines::clean;
use crate::money;

/// How a status is to strike the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Plain,
    /// Waits for somebody.
    Open,
    /// No longer counts: marked across every page.
    Struck,
}

#[derive(Debug)]
pub struct Status {
    pub word: String,
    pub tone: Tone,
}

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub sku: String,
    pub quantity: String,
    pub unit_amount: String,
    pub total: String,
}

/// One line under the table.
#[derive(Debug)]
pub struct Sum {
    pub label: &'static str,
    pub amount: String,
    pub strong: bool,
}

#[derive(Debug)]
pub struct Contents {
    /// What the document is: `Invoice` or `Receipt`.
    pub kind: &'static str,
    pub number: String,
    pub status: Status,
    pub seller: Seller,
    pub bill_to_name: Option<String>,
    pub bill_to_email: String,
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    /// The one sentence for who only glances at it.
    pub headline: String,
    pub note: Option<&'static str>,
    pub currency: String,
    pub rows: Vec<Row>,
    pub sums: Vec<Sum>,
    pub dated: DateTime<Utc>,
    /// The same for each version of this document, and no other document's.
    pub identifier: String,
}

impl Contents {
    pub fn of_invoice(seller: &Seller, invoice: &Invoice) -> Self {
        let total = money::amount(invoice.total, &invoice.currency);
        let paid_on = invoice.paid_at.map(|paid_at| format!(" on {}", date(paid_at))).unwrap_or_default();
        let (tone, headline, note) = match invoice.status.as_str() {
            "OPEN" => (Tone::Open, format!("{total} due"), None),
            "PAID" => (Tone::Plain, format!("{total} paid{paid_on}"), None),
            "VOID" => (
                Tone::Struck,
                format!("{total} not due"),
                Some("This invoice is void: nothing is to be paid on it."),
            ),
            "REFUNDED" => (
                Tone::Struck,
                format!("{total} refunded"),
                Some("What was paid on this invoice has been refunded."),
            ),
            _ => (Tone::Open, total.clone(), None),
        };
        let mut facts = vec![
            ("Invoice number", invoice.number.clone()),
            ("Order number", invoice.order_number.clone()),
            ("Date of issue", date(invoice.issued_at)),
        ];
        if let Some(paid_at) = invoice.paid_at {
            facts.push(("Date paid", date(paid_at)));
        }
        Self {
            kind: "Invoice",
            number: invoice.number.clone(),
            status: Status { word: invoice.status.clone(), tone },
            headline,
            note,
            facts,
            sums: sums(invoice),
            dated: invoice.issued_at,
            identifier: format!("invoice:{}:{}", invoice.order_id, invoice.number),
            ..Self::common(seller, invoice)
        }
    }

    /// A receipt says what was paid, and goes on saying so when the money was given back.
    pub fn of_receipt(seller: &Seller, receipt: &Receipt, invoice: &Invoice) -> Self {
        let paid = money::amount(receipt.total, &receipt.currency);
        let mut facts = vec![
            ("Receipt number", receipt.number.clone()),
            ("Invoice number", receipt.invoice_number.clone()),
            ("Order number", receipt.order_number.clone()),
            ("Date of issue", date(receipt.issued_at)),
            ("Date paid", date(receipt.paid_at)),
            ("Paid through", provider(&receipt.provider)),
        ];
        if let Some(payment) = &receipt.provider_payment_id {
            facts.push(("Payment reference", payment.clone()));
        }
        let mut sums = sums(invoice);
        sums.push(Sum { label: "Amount paid", amount: paid.clone(), strong: true });
        Self {
            kind: "Receipt",
            number: receipt.number.clone(),
            status: Status { word: "PAID".to_owned(), tone: Tone::Plain },
            headline: format!("{paid} paid on {}", date(receipt.paid_at)),
            note: None,
            facts,
            sums,
            dated: receipt.issued_at,
            identifier: format!("receipt:{}:{}", receipt.order_id, receipt.number),
            ..Self::common(seller, invoice)
        }
    }

    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.number)
    }

    fn common(seller: &Seller, invoice: &Invoice) -> Self {
        let mut address: Vec<String> =
            seller.address.iter().map(|line| clean(line)).filter(|line| !line.is_empty()).collect();
        let tax_id = seller.tax_id.as_deref().map(clean).filter(|tax_id| !tax_id.is_empty());
        address.extend(tax_id.as_ref().map(|tax_id| format!("Tax ID: {tax_id}")));
        Self {
            kind: "",
            number: String::new(),
            status: Status { word: String::new(), tone: Tone::Plain },
            seller: Seller { name: clean(&seller.name), address, tax_id },
            bill_to_name: invoice.bill_to.name.clone(),
            bill_to_email: invoice.bill_to.email.clone(),
            facts: Vec::new(),
            headline: String::new(),
            note: None,
            currency: invoice.currency.clone(),
            rows: invoice.items.iter().map(|item| row(item, &invoice.currency)).collect(),
            sums: Vec::new(),
            dated: invoice.issued_at,
            identifier: String::new(),
        }
    }
}

fn row(item: &Item, currency: &str) -> Row {
    Row {
        name: item.name.clone(),
        sku: item.sku.clone(),
        quantity: money::whole(i64::from(item.quantity)),
        unit_amount: money::figures(item.unit_amount, currency),
        total: money::figures(item.total, currency),
    }
}

fn sums(invoice: &Invoice) -> Vec<Sum> {
    let amount = |minor_units| money::amount(minor_units, &invoice.currency);
    vec![
        Sum { label: "Subtotal", amount: amount(invoice.subtotal), strong: false },
        Sum { label: "Tax", amount: amount(invoice.tax), strong: false },
        Sum { label: "Total", amount: amount(invoice.total), strong: true },
    ]
}

fn date(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d").to_string()
}

/// `STRIPE` is for programs; people know it as Stripe.
fn provider(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect()
}
