//! The `mesh-server` command.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    mesh_server::cli::main(give_memory_back)
}

/// What handshakes leave is more than what idle connections need. The allocator keeps it for the thread that had it, and a while
/// longer than it promises, unless it is forced.
fn give_memory_back() {
    // SAFETY: may be called by any thread at any time.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
