//! `switchboard-bindgen IN.wasm FOLDER`: writes the wasm and its JavaScript glue to FOLDER, as
//! `index_bg.wasm` and `index.js`.
//!
//! This is the only part of wasm-bindgen-cli that the build needs. The whole tool also contains test runners
//! and a web server, and takes minutes to build.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let usage = "usage: switchboard-bindgen IN.wasm FOLDER";
    let input = args.next().context(usage)?;
    let folder = args.next().context(usage)?;
    Bindgen::new()
        .module(true)?
        .input_path(input)
        .out_name("index")
        .typescript(false)
        // With these, src/entry.js starts a fresh instance after a panic.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
}
