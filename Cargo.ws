[workspace]
members = ["crates/*", "plugins/*"]
resolver = "3"

[workspace.package]
version = "0.1.0"
edition = "2024"
rust-version = "1.89"
license = "Apache-2.0"
repository = "https://github.com/rhumb-dns/rhumb"
publish = false

[workspace.dependencies]
# Ours.
corefile = { package = "rhumb-corefile", path = "crates/corefile" }
wire = { package = "rhumb-wire", path = "crates/wire" }
udp = { package = "rhumb-udp", path = "crates/udp" }
plugin = { package = "rhumb-plugin", path = "crates/plugin" }
upstream = { package = "rhumb-upstream", path = "crates/upstream" }
testkit = { package = "rhumb-testkit", path = "crates/testkit" }

# The general DNS codec: messages and records in plugins. Never on the replay path.
hickory-proto = { version = "0.26.3", default-features = false, features = ["std"] }
# The watch: client, authentication, watcher streams.
kube = { version = "5.0.0", default-features = false, features = ["client", "rustls-tls", "ring", "runtime"] }
# Full object types in tests; one API version feature, chosen by the package that needs it.
k8s-openapi = { version = "0.29.0", default-features = false }
# Runtimes: one current-thread runtime per worker and one more for the background.
tokio = { version = "1.54.1", default-features = false, features = ["rt", "net", "time", "sync", "macros", "io-util", "signal"] }
# The cache plugin: byte weights, TinyLFU admission.
moka = { version = "0.12.16", default-features = false, features = ["sync"] }
# Shared maps that change under load: questions in flight, the cluster store's indexes.
dashmap = "6.2.1"
# Registry and text format of /metrics.
prometheus = { version = "0.14.0", default-features = false, features = ["process"] }
# Every log line.
tracing = { version = "0.1.44", default-features = false, features = ["std", "attributes"] }
# Subscribers that print CoreDNS's log lines.
tracing-subscriber = { version = "0.3.23", default-features = false, features = ["std", "registry", "fmt"] }
# `async fn` in the Plugin trait, which is used as a trait object.
async-trait = "0.1.89"
# Error enums.
thiserror = "2.0.17"
# Configuration snapshots that workers read without a lock.
arc-swap = "1.9.3"
# Lists that are nearly always short, without a heap allocation.
smallvec = { version = "1.16.5", features = ["union", "const_generics"] }
# Seeded hashing of names, which clients choose.
ahash = { version = "0.8.12", default-features = false, features = ["std", "runtime-rng"] }
# Byte buffers shared between connection tasks.
bytes = "1.12.1"
# Socket options before a socket is handed to tokio.
socket2 = { version = "0.6.5", features = ["all"] }
# recvmmsg, sendmmsg and packet info in crates/udp.
libc = "0.2.177"
# /health, /ready and /metrics; DNS over HTTPS later.
hyper = { version = "1.12.0", default-features = false, features = ["http1", "server"] }
hyper-util = { version = "0.1.21", default-features = false, features = ["tokio"] }
http-body-util = { version = "0.1.3", default-features = false }
# TLS to upstreams and for /metrics; ring is the one provider in the binary.
rustls = { version = "0.23.46", default-features = false, features = ["ring", "std", "tls12", "logging"] }
tokio-rustls = { version = "0.26.6", default-features = false, features = ["ring", "tls12"] }
# The system's certificate authorities for tls:// upstreams.
rustls-native-certs = "0.8.2"
# Regular expressions in `errors` and later `rewrite`: RE2's language, linear time.
regex = "1.12.2"
# Random query IDs, shuffles, jitter.
rand = { version = "0.10.4", default-features = false, features = ["std", "std_rng", "thread_rng"] }
# Slim Kubernetes objects, manifests, JSON diagnostics.
serde = { version = "1.0.228", features = ["derive"] }
serde_json = "1.0.145"
# Kubernetes manifests in files.
serde-saphyr = "2.1.1"
# Streams of watch events.
futures = { version = "0.3.31", default-features = false, features = ["std", "async-await"] }
# The command line: help, completions, man page. CoreDNS's one-dash flags are mapped to it.
clap = { version = "4.6.7", default-features = false, features = ["std", "help", "usage", "error-context", "suggestions", "color", "derive", "wrap_help"] }
clap_complete = "4.6.0"
clap_mangen = "0.3.0"
# SHA-512 of the Corefile in reload's log line and metric.
sha2 = "0.11.1"
# Interface addresses for `bind` and for NS answers.
nix = { version = "0.31.3", default-features = false, features = ["net", "socket", "uio", "signal", "resource", "fs", "user"] }
# Directory watches for manifests and resolv.conf files.
notify = { version = "8.2.1", default-features = false }
# Prefix arithmetic for CIDR zones and `prefer`.
ipnet = "2.12.2"
# Idle-time and cancellation of background work.
tokio-util = { version = "0.7.17", default-features = false, features = ["rt"] }
# Property tests.
proptest = { version = "1.12.0", default-features = false, features = ["std"] }
# Certificates for TLS tests.
rcgen = { version = "0.14.10", default-features = false, features = ["ring", "pem"] }

[workspace.lints.rust]
unsafe_code = "deny"
missing_docs = "warn"
elided_lifetimes_in_paths = "warn"
unnameable_types = "warn"
unreachable_pub = "warn"
unused_qualifications = "warn"

[workspace.lints.clippy]
pedantic = { level = "warn", priority = -1 }
undocumented_unsafe_blocks = "deny"
missing_errors_doc = "allow"
too_many_lines = "allow"
module_name_repetitions = "allow"
must_use_candidate = "allow"
await_holding_lock = "warn"
dbg_macro = "warn"
exit = "warn"
or_fun_call = "warn"
print_stderr = "warn"
print_stdout = "warn"
str_to_string = "warn"
todo = "warn"
unwrap_used = "warn"
use_self = "warn"

[profile.dev]
debug = "line-tables-only"
# Tests that exchange real queries spend their time in dependencies.
[profile.dev.package."*"]
opt-level = 1
debug = false

[profile.release]
lto = "thin"
codegen-units = 4
panic = "unwind"
strip = "debuginfo"
