//! Tells the linker to keep the binary small: polars is compiled once for each type of column, and much of that comes
//! out as the same machine code. Folding it, and packing the table of addresses, takes 3 MB off 38 and costs no speed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Only where the toolchain links with the linker that it brings along, lld; others do not know both options.
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|v| v == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
