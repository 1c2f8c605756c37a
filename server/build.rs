//! The web client is embedded from `client/dist`; where it was not built, an empty folder stands in.

fn main() {
    let dist = std::path::Path::new("../client/dist");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", dist.display());
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo:warning=client/dist could not be made: {error}");
    }
}
