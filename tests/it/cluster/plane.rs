//! The control plane of `tests/cluster`: one for all tests of this process.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::places::remove_leftovers;
use crate::harness::{LONG, left_out, root};

/// Held for reading by tests that need the API server, for writing by the one that takes it away.
pub(crate) static AVAILABLE: RwLock<()> = RwLock::new(());

/// etcd and an API server. They end with this process, whose end closes their standard input.
pub(crate) struct Plane {
    folder: PathBuf,
    child: Child,
    _stdin: ChildStdin,
    said: Mutex<Receiver<String>>,
}

impl Plane {
    /// The control plane, started where it is first needed. Where there is none the test is left out.
    pub(crate) fn get(test: &str) -> Option<&'static Self> {
        static PLANE: OnceLock<Result<Plane, String>> = OnceLock::new();
        match PLANE.get_or_init(Self::start) {
            Ok(plane) => Some(plane),
            Err(why) => {
                left_out(test, why);
                None
            }
        }
    }

    fn start() -> Result<Self, String> {
        let binary = Self::binary()?;
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        remove_leftovers("plane-");
        let folder = tmp.join(format!("plane-{}", std::process::id()));
        let mut child = Command::new(&binary)
            .args(["control-plane", "up", "--dir"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let plane = Self { folder, child, _stdin: stdin, said: Mutex::new(said) };
        plane.wait_for("ready:")?;
        Ok(plane)
    }

    /// Built, unless it is there; scripts/test.sh builds it first.
    fn binary() -> Result<PathBuf, String> {
        let binary = root().join("target/cluster/rhumb-cluster");
        if std::env::var_os("RHUMB_NO_CLUSTER").is_some() {
            return Err("RHUMB_NO_CLUSTER is set".to_owned());
        }
        if binary.exists() {
            return Ok(binary);
        }
        let build = Command::new(root().join("tests/cluster/build.sh")).output();
        match build {
            Ok(output) if output.status.success() => Ok(binary),
            Ok(output) => {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                let last = words.lines().last().unwrap_or("tests/cluster/build.sh failed");
                Err(format!("no control plane: {last}"))
            }
            Err(error) => Err(format!("no control plane: tests/cluster/build.sh: {error}")),
        }
    }

    fn wait_for(&self, begin: &str) -> Result<(), String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match said.recv_timeout(LONG * 2) {
                Ok(line) if line.starts_with(begin) => return Ok(()),
                Ok(_) => {}
                Err(_) => return Err(format!("the control plane did not say `{begin}`")),
            }
        }
    }

    /// Kills the API server, as a crash would.
    pub(crate) fn take_away(&self) {
        self.signal(Signal::SIGUSR1);
        self.wait_for("stopped:").expect("the API server ends");
    }

    /// Starts it again.
    pub(crate) fn bring_back(&self) {
        self.signal(Signal::SIGUSR2);
        self.wait_for("ready:").expect("the API server starts");
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process ID");
        kill(Pid::from_raw(pid), signal).expect("the control plane runs");
    }

    /// The administrator's.
    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }
}

/// A client with the administrator's rights and a runtime of its own.
pub(crate) struct Api {
    runtime: Runtime,
    client: kube::Client,
    kubeconfig: PathBuf,
}

impl Api {
    pub(crate) fn new(plane: &Plane) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let kubeconfig = plane.kubeconfig();
        let read = Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
        let client = runtime.block_on(async {
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(read, &options).await;
            kube::Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { runtime, client, kubeconfig }
    }

    fn request(&self, method: Method, path: &str, body: &Value) -> Result<Value, kube::Error> {
        // A patch that says all that is to be so: create or update.
        let content = if method == Method::PATCH {
            "application/apply-patch+yaml"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", content)
            .body(if body.is_null() { Vec::new() } else { body.to_string().into_bytes() })
            .expect("a request");
        self.runtime.block_on(self.client.request(request))
    }

    /// Creates an object, or makes it what is said.
    pub(crate) fn apply(&self, object: &Value) {
        let path = format!("{}?fieldManager=it&force=true", path(object));
        let outcome = self.request(Method::PATCH, &path, object);
        outcome.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// The same for every document of a YAML text, but those that the control plane brings itself.
    pub(crate) fn apply_all(&self, yaml: &str) {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
        for document in documents.iter().filter(|document| document.is_object()) {
            let metadata = &document["metadata"];
            if metadata["namespace"] != "default" || metadata["name"] != "kubernetes" {
                self.apply(document);
            }
        }
    }

    pub(crate) fn delete(&self, object: &Value) {
        let path = path(object);
        let outcome = self.request(Method::DELETE, &path, &Value::Null);
        outcome.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// A kubeconfig for a service account of kube-system, with the permissions of `tests/cluster/rbac.yaml`
    /// where that is `rhumb`. `server` is where the API server is to be found, if not where it is.
    pub(crate) fn kubeconfig(&self, account: &str, server: Option<&str>) -> String {
        let path = format!("/api/v1/namespaces/kube-system/serviceaccounts/{account}/token");
        let spec = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}
        });
        let token = self.request(Method::POST, &path, &spec).expect("a token");
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let mut config: Value = serde_saphyr::from_str(&text).expect("YAML");
        config["users"][0]["user"] = json!({ "token": token["status"]["token"] });
        if let Some(server) = server {
            config["clusters"][0]["cluster"]["server"] = server.into();
        }
        config.to_string()
    }

    /// Where the API server is.
    pub(crate) fn server(&self) -> std::net::SocketAddr {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let config: Value = serde_saphyr::from_str(&text).expect("YAML");
        let url = config["clusters"][0]["cluster"]["server"].as_str().expect("a URL");
        url.trim_start_matches("https://").parse().expect("an address")
    }
}

/// Where the API has an object.
fn path(object: &Value) -> String {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let kind = word(&object["kind"]).expect("a kind");
    let (group, plural) = match kind.as_str() {
        "Namespace" => ("api/v1", "namespaces"),
        "Service" => ("api/v1", "services"),
        "ServiceAccount" => ("api/v1", "serviceaccounts"),
        "EndpointSlice" => ("apis/discovery.k8s.io/v1", "endpointslices"),
        "ClusterRole" => ("apis/rbac.authorization.k8s.io/v1", "clusterroles"),
        "ClusterRoleBinding" => ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
        other => panic!("no path for {other}"),
    };
    let name = word(&object["metadata"]["name"]).expect("a name");
    let namespace = word(&object["metadata"]["namespace"]);
    let namespace = namespace.map(|ns| format!("/namespaces/{ns}")).unwrap_or_default();
    format!("/{group}{namespace}/{plural}/{name}")
}

/// Between Rhumb and the API server: it can be away without the API server being so.
pub(crate) struct Proxy {
    pub(crate) address: std::net::SocketAddr,
    gate: std::sync::Arc<Mutex<bool>>,
}

impl Proxy {
    /// Closed at first: connections end at once.
    pub(crate) fn start(server: std::net::SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let gate = std::sync::Arc::new(Mutex::new(false));
        let is_open = std::sync::Arc::clone(&gate);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !*lock(&is_open) {
                    continue;
                }
                let Ok(server) = std::net::TcpStream::connect(server) else { continue };
                let copies = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
                for (from, to) in copies {
                    let (Ok(mut from), Ok(mut to)) = (from, to) else { continue };
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { address, gate }
    }

    /// Lets connections through from now on.
    pub(crate) fn open(&self) {
        *lock(&self.gate) = true;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
