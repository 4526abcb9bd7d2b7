//! A new or changed migration is embedded at the next build.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
