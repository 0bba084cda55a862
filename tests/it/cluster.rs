//! A real API server: watches, permissions, outages.
//!
//! One control plane serves all tests here; each has namespaces of its own.

mod plane;

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::client::Transport;
use crate::harness::load::Load;
use crate::harness::places::Places;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;
use crate::harness::{LONG, eventually, root, tell};
use crate::scenarios::Scenario;

use plane::{AVAILABLE, Api, Plane, Proxy};

const COREFILE: &str = "\
.:{PORT} {
    errors
    ready :{READY}
    prometheus :{METRICS}
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig {DIR}/kubeconfig
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . {UPSTREAM}
    cache 30
    loadbalance
}
";
const ZONE: &str =
    "example. 300 IN SOA ns.example. root.example. 1 2 3 4 5\n*.example. 300 IN A 192.0.2.1";

/// An account like that of `tests/cluster/rbac.yaml`.
fn grant(api: &Api, account: &str) {
    let rbac = std::fs::read_to_string(root().join("tests/cluster/rbac.yaml")).expect("rbac.yaml");
    let rbac = rbac.replace("name: rhumb", &format!("name: {account}"));
    api.apply_all(&rbac.replace("system:rhumb", &format!("system:{account}")));
}

fn start(name: &str, api: &Api, account: &str) -> (Server, Upstream) {
    let upstream = Upstream::start(ZONE);
    let mut places = Places::new(name);
    places.set("UPSTREAM", &upstream.address);
    places.write("kubeconfig", &api.kubeconfig(account, None));
    (Server::start_in(places, COREFILE), upstream)
}

fn wait_until_ready(server: &Server) {
    let is_ready = || (server.ready().status == 200).then_some(());
    assert!(eventually(LONG, is_ready).is_some(), "it never gets ready\n{}", server.log);
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Headless, so that its endpoints are its addresses.
fn service(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "namespace": namespace, "name": name },
        "spec": { "clusterIP": "None", "ports": [{ "name": "http", "port": 80 }] }
    })
}

fn slice(namespace: &str, service: &str, addresses: &[&str]) -> Value {
    let endpoint =
        |address: &&str| json!({ "addresses": [address], "conditions": { "ready": true } });
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace, "name": format!("{service}-1"),
            "labels": { "kubernetes.io/service-name": service }
        },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }],
        "endpoints": addresses.iter().map(endpoint).collect::<Vec<_>>()
    })
}

#[test]
fn the_table_of_questions_holds_against_a_real_api_server() {
    let Some(plane) = Plane::get("the_table_of_questions_holds_against_a_real_api_server") else {
        return;
    };
    let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
    let api = Api::new(plane);
    let folder = root().join("tests/scenarios/kubeadm");
    api.apply_all(&std::fs::read_to_string(folder.join("objects.yaml")).expect("the objects"));
    grant(&api, "rhumb");
    let mut scenario = Scenario::read(&folder);
    scenario.places.write("kubeconfig", &api.kubeconfig("rhumb", None));
    let n_queries = scenario.dialog.n_queries();
    assert!(n_queries >= 500, "a table of {n_queries} queries");
    // Everything else as it stands there.
    let before = scenario.corefile.clone();
    scenario.corefile =
        before.replace("manifests {DIR}/objects.yaml", "kubeconfig {DIR}/kubeconfig");
    assert_ne!(scenario.corefile, before);
    let mut server = Server::start_in(scenario.places, &scenario.corefile);
    wait_until_ready(&server);
    let failures = scenario.dialog.run(&mut server, &[]);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    server.assert_sound();
}

#[test]
fn a_change_is_answered_at_once() {
    let Some(plane) = Plane::get("a_change_is_answered_at_once") else { return };
    let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
    let api = Api::new(plane);
    grant(&api, "rhumb-churn");
    let (mut server, _upstream) = start("churn", &api, "rhumb-churn");
    wait_until_ready(&server);
    api.apply(&namespace("churn"));
    let mut delays = Vec::new();
    let mut see = |what: &str, question: &str, expected: &dyn Fn(&str, &[String]) -> bool| {
        let begin = Instant::now();
        let mut last = (String::new(), Vec::new());
        let seen = eventually(LONG, || {
            let reply = server.ask(question);
            last = (reply.rcode(), reply.answers());
            expected(&last.0, &last.1).then_some(())
        });
        assert!(seen.is_some(), "{what} is not seen: {question} is {last:?}\n{}", server.log);
        delays.push((begin.elapsed(), what.to_owned()));
    };
    see("a namespace", "churn.svc.cluster.local. A", &|rcode, _| rcode == "NOERROR");
    for n in 0..3 {
        let name = format!("web{n}");
        let question = format!("{name}.churn.svc.cluster.local. A");
        // Its absence is in the cache when it comes.
        see("an absence", &question, &|rcode, _| rcode == "NXDOMAIN");
        api.apply(&service("churn", &name));
        api.apply(&slice("churn", &name, &["10.250.0.1"]));
        see("a new service", &question, &|_, answers| answers == ["10.250.0.1"]);
        api.apply(&slice("churn", &name, &["10.250.0.2", "10.250.0.3"]));
        see("changed endpoints", &question, &|_, answers| answers == ["10.250.0.2", "10.250.0.3"]);
        let reverse = "3.0.250.10.in-addr.arpa. PTR";
        let expected = format!("10-250-0-3.{name}.churn.svc.cluster.local.");
        see("the way back", reverse, &|_, answers| answers == [expected.clone()]);
        api.delete(&slice("churn", &name, &[]));
        see("no endpoints", &question, &|rcode, _| rcode == "NXDOMAIN");
        see("no way back", reverse, &|rcode, _| rcode != "NOERROR");
        api.delete(&service("churn", &name));
        see("no service", &question, &|rcode, _| rcode == "NXDOMAIN");
    }
    delays.sort();
    let median = &delays[delays.len() / 2];
    let worst = &delays[delays.len() - 1];
    tell(&format!(
        "{} changes seen: median {:?}, worst {:?} ({})",
        delays.len(),
        median.0,
        worst.0,
        worst.1
    ));
    assert!(median.0 < Duration::from_secs(1), "half of the changes took {:?}", median.0);
    server.assert_sound();
}

#[test]
fn answers_go_on_while_the_api_server_is_away() {
    let Some(plane) = Plane::get("answers_go_on_while_the_api_server_is_away") else { return };
    let api = Api::new(plane);
    let (mut server, _upstream) = {
        let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
        grant(&api, "rhumb-outage");
        api.apply(&namespace("outage"));
        for n in 0..4 {
            api.apply(&service("outage", &format!("web{n}")));
            api.apply(&slice("outage", &format!("web{n}"), &["10.251.0.1"]));
        }
        let started = start("outage", &api, "rhumb-outage");
        wait_until_ready(&started.0);
        started
    };
    let load = Load::start(server.address(), Transport::Udp, 2, |client, n| match n % 3 {
        0 => format!("name-{client}-{n}.example. A"),
        _ => format!("web{}.outage.svc.cluster.local. A", n % 4),
    });
    load.wait_for_answers(20);
    {
        let _alone = AVAILABLE.write().unwrap_or_else(PoisonError::into_inner);
        plane.take_away();
        load.wait_for_answers(200);
        // The watches have noticed, and what is known is still what is said.
        server.wait_for_log("plugin/kubernetes: the watch failed; trying again");
        load.wait_for_answers(100);
        for (question, rcode) in [
            ("web0.outage.svc.cluster.local. A", "NOERROR"),
            ("nosuch.outage.svc.cluster.local. A", "NXDOMAIN"),
            ("1.0.251.10.in-addr.arpa. PTR", "NOERROR"),
            ("www.example. A", "NOERROR"),
        ] {
            assert_eq!(server.ask(question).rcode(), rcode, "{question} while it is away");
        }
        assert_eq!(server.ready().status, 200, "/ready while it is away");
        plane.bring_back();
    }
    let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
    // The API server has its own tasks to do before it lets requests in.
    let api = Api::new(plane);
    api.apply(&slice("outage", "web0", &["10.251.0.9"]));
    api.delete(&service("outage", "web3"));
    let begin = Instant::now();
    let caught_up = || {
        let changed = server.ask("web0.outage.svc.cluster.local. A").answers() == ["10.251.0.9"];
        let gone = server.ask("web3.outage.svc.cluster.local. A").rcode() == "NXDOMAIN";
        (changed && gone).then_some(())
    };
    // Watches back off up to half a minute.
    let seen = eventually(LONG * 2, caught_up);
    tell(&format!("changes after an outage seen after {:?}", begin.elapsed()));
    let mut tally = load.stop();
    // That one was deleted while they asked.
    tally.failed.retain(|what| !what.starts_with("web3."));
    tally.assert_all_answered();
    assert!(seen.is_some(), "what changed after the return is not seen\n{}", server.log);
    server.assert_sound();
}

#[test]
fn a_missing_permission_is_told_and_holds_back_readiness() {
    let Some(plane) = Plane::get("a_missing_permission_is_told_and_holds_back_readiness") else {
        return;
    };
    let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
    let api = Api::new(plane);
    grant(&api, "rhumb-poor");
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "system:rhumb-poor" },
        "rules": [{
            "apiGroups": [""], "resources": ["services", "pods", "namespaces"],
            "verbs": ["list", "watch"]
        }]
    });
    api.apply(&role);
    let (mut server, _upstream) = start("poor", &api, "rhumb-poor");
    let line = server.wait_for_log("the watch failed");
    for word in ["WARNING", "plugin/kubernetes", "endpointslices", "forbidden", "rhumb-poor"] {
        assert!(line.contains(word), "no `{word}` in: {line}");
    }
    let page = server.ready();
    assert_eq!((page.status, page.body.trim()), (503, "kubernetes"));
    // What is not known may be there: SERVFAIL is asked again, NXDOMAIN is believed.
    let reply = server.ask("db.nosuch.svc.cluster.local. A");
    assert_eq!(reply.rcode(), "SERVFAIL");
    assert_eq!(server.ask("www.example. A").rcode(), "NOERROR", "other zones");
    // Granted after all: no restart is needed.
    role["rules"] = json!([
        { "apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"] },
        { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] }
    ]);
    api.apply(&role);
    let is_ready = || (server.ready().status == 200).then_some(());
    assert!(eventually(LONG * 2, is_ready).is_some(), "it never gets ready\n{}", server.log);
    // `cache` keeps a SERVFAIL for 5 s.
    let is_known =
        || (server.ask("db.nosuch.svc.cluster.local. A").rcode() == "NXDOMAIN").then_some(());
    assert!(eventually(LONG, is_known).is_some(), "{}", server.log);
    server.assert_sound();
}

#[test]
fn a_start_without_the_api_server_is_made_good_when_it_comes() {
    let Some(plane) = Plane::get("a_start_without_the_api_server_is_made_good_when_it_comes")
    else {
        return;
    };
    let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
    let api = Api::new(plane);
    grant(&api, "rhumb-early");
    let proxy = Proxy::start(api.server());
    let upstream = Upstream::start(ZONE);
    let mut places = Places::new("early");
    places.set("UPSTREAM", &upstream.address);
    let url = format!("https://{}", proxy.address);
    places.write("kubeconfig", &api.kubeconfig("rhumb-early", Some(&url)));
    let mut server = Server::start_in(places, &COREFILE.replace("ttl 30", "startup_timeout 1s"));
    assert_eq!(server.ready().status, 503);
    assert_eq!(server.ask("www.example. A").rcode(), "NOERROR", "other zones");
    for question in ["kubernetes.default.svc.cluster.local. A", "nosuch.cluster.local. A"] {
        assert_eq!(server.ask(question).rcode(), "SERVFAIL", "{question}");
    }
    proxy.open();
    let is_ready = || (server.ready().status == 200).then_some(());
    assert!(eventually(LONG * 2, is_ready).is_some(), "it never gets ready\n{}", server.log);
    // `cache` keeps a SERVFAIL for 5 s.
    let is_known = || {
        let reply = server.ask("kubernetes.default.svc.cluster.local. A");
        (reply.answers() == ["10.96.0.1"]).then_some(())
    };
    assert!(eventually(LONG, is_known).is_some(), "{}", server.log);
    server.assert_sound();
}

#[test]
fn a_reload_lists_nothing_again_and_loses_no_query() {
    let Some(plane) = Plane::get("a_reload_lists_nothing_again_and_loses_no_query") else { return };
    let _available = AVAILABLE.read().unwrap_or_else(PoisonError::into_inner);
    let api = Api::new(plane);
    grant(&api, "rhumb-reload");
    api.apply(&namespace("reload"));
    api.apply(&service("reload", "web"));
    api.apply(&slice("reload", "web", &["10.252.0.1"]));
    let (mut server, _upstream) = start("cluster-reload", &api, "rhumb-reload");
    wait_until_ready(&server);
    let n_requests = |server: &Server| {
        server.metrics().sum("coredns_kubernetes_rest_client_requests_total", &[])
    };
    let before = n_requests(&server);
    assert!(before >= 3, "three kinds are listed and watched, not {before} requests");
    let load = Load::start(server.address(), Transport::Udp, 3, |_, _| {
        "web.reload.svc.cluster.local. A".to_owned()
    });
    for n in 0..4 {
        load.wait_for_answers(50);
        server.write_corefile(&COREFILE.replace("cache 30", &format!("cache {}", 31 + n)));
        server.reload();
        assert_eq!(server.ready().status, 200);
    }
    load.wait_for_answers(50);
    load.stop().assert_all_answered();
    assert_eq!(n_requests(&server), before, "requests to the API server");
    // The watches are the same, and they still bring what is new.
    api.apply(&slice("reload", "web", &["10.252.0.2"]));
    let is_seen = || {
        (server.ask("web.reload.svc.cluster.local. A").answers() == ["10.252.0.2"]).then_some(())
    };
    assert!(eventually(LONG, is_seen).is_some(), "{}", server.log);
    server.assert_sound();
}
