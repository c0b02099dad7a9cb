//! `switchboard-bindgen IN.wasm FOLDER`: writes the wasm and the JavaScript around it, as `index_bg.wasm`
//! and `index.js`.
//!
//! It is the one thing of wasm-bindgen-cli that the build needs. The whole tool has test runners and a web
//! server in it, and takes minutes to build.

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
        // What src/entry.js begins anew with after a panic.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
}
