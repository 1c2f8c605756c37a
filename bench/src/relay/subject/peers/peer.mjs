// PeerServer as it comes, with room for the benchmark's connections.
import { PeerServer } from "peer";

PeerServer({ port: Number(process.argv[2]), host: "127.0.0.1", path: "/", concurrent_limit: 20000 });
