//! Prints invoices that are hard to print, to be looked at:
//!
//! ```sh
//! cargo run -p primetech-pdf --example awkward_invoices -- OUTDIR [FONTS]
//! ```
//!
//! FONTS is a folder of further fonts, for Chinese, Japanese and Korean (Debian's package fonts-noto-cjk has
//! `/usr/share/fonts/opentype/noto`). The paths of the files go to standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use primetech_pdf::{BillTo, Invoice, Item, Paper, Printer, Receipt, Seller};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: awkward_invoices OUTDIR [FONTS]");
        return ExitCode::from(2);
    };
    match print_all(&folder, arguments.next().as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("awkward_invoices: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_all(folder: &Path, fonts: Option<&Path>) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let printer = Printer::new(fonts)?;
    let invoices = [
        ("long-names", long_seller(), long_names()?),
        ("fifty-lines", plain_seller(), fifty_lines()?),
        ("many-scripts", many_scripts_seller(), many_scripts()?),
        ("yen", japanese_seller(), yen()?),
        ("void", plain_seller(), huge("VOID", "INV-2026-000005")?),
        ("refunded", plain_seller(), huge("REFUNDED", "INV-2026-000006")?),
    ];
    for (paper, suffix) in [(Paper::A4, "a4"), (Paper::Letter, "letter")] {
        for (name, seller, invoice) in &invoices {
            let pdf = printer.invoice(paper, seller, invoice)?;
            save(folder, &format!("{name}-{suffix}.pdf"), &pdf.bytes, pdf.missing_glyphs)?;
        }
        let (_, seller, invoice) = &invoices[2];
        let pdf = printer.receipt(paper, seller, &receipt_of(invoice)?, invoice)?;
        save(folder, &format!("receipt-{suffix}.pdf"), &pdf.bytes, pdf.missing_glyphs)?;
    }
    Ok(())
}

fn save(folder: &Path, name: &str, bytes: &[u8], missing: usize) -> Result<(), Failure> {
    let path = folder.join(name);
    std::fs::write(&path, bytes)?;
    match missing {
        0 => println!("{}", path.display()),
        missing => println!("{} ({missing} characters have no glyph)", path.display()),
    }
    Ok(())
}

fn plain_seller() -> Seller {
    seller("Northwind Software Ltd.", &["12 Harbour Street", "Bristol BS1 4QA", "United Kingdom"])
}

fn long_seller() -> Seller {
    let name = "The Very Long and Not Easily Abbreviated International Company for Software, Services and Seating \
                Arrangements, Limited Liability Partnership";
    seller(
        name,
        &[
            "Department of Outgoing Invoices and Incoming Complaints, Third Floor, Room 3.141592653589793",
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsstraße 1",
            "1010 Wien",
            "Österreich",
        ],
    )
}

fn many_scripts_seller() -> Seller {
    seller(
        "Žluťoučký Kůň – Ελληνικά – Кириллица",
        &["Příčná 7, 110 00 Praha 1", "רחוב הרצל 12, תל אביב", "شارع الملك فهد ١٢"],
    )
}

fn japanese_seller() -> Seller {
    seller(
        "Nihonbashi Software K.K.",
        &["1-2-3 Nihonbashi, Chūō-ku", "Tōkyō 103-0027", "日本橋ソフトウェア株式会社"],
    )
}

fn seller(name: &str, address: &[&str]) -> Seller {
    Seller {
        name: name.to_owned(),
        address: address.iter().map(|line| (*line).to_owned()).collect(),
        tax_id: Some("XX 123456789".to_owned()),
    }
}

fn long_names() -> Result<Invoice, Failure> {
    let unbroken = "Supercalifragilisticexpialidocious".repeat(8);
    let words =
        "Editor Professional with every extension, for teams that write documents nobody reads, including "
            .repeat(3);
    let lines = vec![
        item("editor-pro", words.trim(), 2, 4_900),
        item(&"sku-without-any-end-".repeat(6), &unbroken[..250], 1, 129_900),
        item("seat", "Seat", 25, 900),
    ];
    let mut invoice = invoice("INV-2026-000001", "OPEN", "USD", lines, 1_234)?;
    invoice.bill_to = BillTo {
        name: Some("Dr. Maximiliana Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh ".repeat(3)),
        email: format!("{}@{}.example", "a.very.long.mailbox".repeat(3), "subdomain".repeat(14)),
    };
    invoice.paid_at = None;
    Ok(invoice)
}

fn fifty_lines() -> Result<Invoice, Failure> {
    let lines = (1..=50)
        .map(|number| {
            let name = match number % 7 {
                0 => format!(
                    "Module {number}, with a description that is somewhat longer than the column is wide"
                ),
                _ => format!("Module {number}"),
            };
            item(&format!("module-{number:02}"), &name, number, i64::from(number) * 1_005)
        })
        .collect();
    invoice("INV-2026-000002", "PAID", "EUR", lines, 98_765)
}

fn many_scripts() -> Result<Invoice, Failure> {
    let lines = vec![
        item(
            "accents",
            "Crème brûlée, Žluťoučký kůň, İstanbul, Nguyễn Thị Minh, Łódź, e\u{301}tude",
            1,
            1_000,
        ),
        item("greek-cyrillic", "Ξεσκεπάζω την ψυχοφθόρα, Съешь ещё этих мягких французских булок", 2, 2_500),
        item("hebrew", "רישיון עורך Pro 2026 (שנה אחת) – 3 מושבים", 3, 4_900),
        item("arabic", "رخصة المحرر الاحترافي Pro 2026 لمدة سنة واحدة، ٣ مقاعد", 1, 4_900),
        item("mixed", "Seat for \"שלום, world\" and (مرحبا 123) in one line", 1, 700),
        item("indic-thai", "संपादक लाइसेंस, সম্পাদক, உரிமம், ใบอนุญาตผู้แก้ไขเอกสาร", 1, 9_900),
        item("cjk", "エディタ・プロ 年間ライセンス, 编辑器专业版, 편집기 프로", 1, 12_000),
        item(
            "marks",
            "Z\u{335}\u{321}\u{301}\u{300}\u{302}\u{308}\u{30b}\u{30c}\u{304}\u{306}\u{307}\u{30a}\u{301}\u{302}\u{303}\u{308} 👩\u{200d}💻 ✓ → ½ ™ \"->\"",
            1,
            1,
        ),
    ];
    let mut invoice = invoice("INV-2026-000003", "PAID", "EUR", lines, 0)?;
    invoice.bill_to = BillTo {
        name: Some("אברהם לוי – Émilie Dvořáková".to_owned()),
        email: "emilie@example.com".to_owned(),
    };
    Ok(invoice)
}

fn yen() -> Result<Invoice, Failure> {
    let lines = vec![
        item("editor-pro", "エディタ・プロ", 2, 4_900),
        item("support", "Support, one year", 1, 1_200_000),
    ];
    let mut invoice = invoice("INV-2026-000004", "PAID", "JPY", lines, 120_980)?;
    invoice.bill_to = BillTo { name: Some("山田 太郎".to_owned()), email: "taro@example.jp".to_owned() };
    Ok(invoice)
}

fn huge(status: &str, number: &str) -> Result<Invoice, Failure> {
    let mut line = item("everything", "The whole of it, and what comes after", i32::MAX, i64::MAX / 3);
    line.total = i64::MAX - 1;
    let mut credit = item("credit", "What is owed back", 1, i64::MIN);
    credit.total = i64::MIN;
    let mut invoice = invoice(number, status, "KWD", Vec::new(), 0)?;
    invoice.items = vec![line, credit];
    (invoice.subtotal, invoice.tax, invoice.total) = (i64::MAX - 1, 1, i64::MAX);
    Ok(invoice)
}

fn item(sku: &str, name: &str, quantity: i32, unit_amount: i64) -> Item {
    let total = unit_amount.saturating_mul(i64::from(quantity));
    Item { sku: sku.to_owned(), name: name.to_owned(), quantity, unit_amount, total }
}

fn invoice(
    number: &str,
    status: &str,
    currency: &str,
    items: Vec<Item>,
    tax: i64,
) -> Result<Invoice, Failure> {
    let subtotal = items.iter().map(|item| item.total).sum();
    Ok(Invoice {
        number: number.to_owned(),
        status: status.to_owned(),
        order_id: Uuid::from_u128(0x0192_a1b2_c3d4_7000_8000_0000_0000_0001),
        order_number: "ORD-20260131-7K2P".to_owned(),
        currency: currency.to_owned(),
        subtotal,
        tax,
        total: subtotal + tax,
        items,
        bill_to: BillTo { name: Some("Jane Doe".to_owned()), email: "jane@example.com".to_owned() },
        issued_at: moment("2026-01-31T10:00:00Z")?,
        paid_at: Some(moment("2026-01-31T10:04:30Z")?),
    })
}

fn receipt_of(invoice: &Invoice) -> Result<Receipt, Failure> {
    Ok(Receipt {
        number: "RCP-2026-000017".to_owned(),
        order_id: invoice.order_id,
        order_number: invoice.order_number.clone(),
        invoice_number: invoice.number.clone(),
        currency: invoice.currency.clone(),
        total: invoice.total,
        paid_at: moment("2026-01-31T10:04:30Z")?,
        issued_at: moment("2026-01-31T10:04:31Z")?,
        provider: "STRIPE".to_owned(),
        provider_payment_id: Some("pi_3QkExampleOfAPaymentReference42".to_owned()),
    })
}

fn moment(text: &str) -> Result<DateTime<Utc>, Failure> {
    Ok(DateTime::parse_from_rfc3339(text)?.to_utc())
}
