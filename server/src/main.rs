//! The `mesh-server` command.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    mesh_server::cli::main(give_memory_back)
}

/// What handshakes leave is more than what idle connections need. The allocator keeps it for the thread that had it until that one
/// asks; only where it is forced it gives back everything at once.
fn give_memory_back() {
    // SAFETY: may be called by any thread at any time.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
