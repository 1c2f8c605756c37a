//! A shared terminal, as engines without I/O: the host with its screen, leases and viewers, and one viewer.
