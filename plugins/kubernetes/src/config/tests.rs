//! What the directive accepts, and what it refuses and how.

use testkit::Kit;

use super::*;
use crate::PLUGIN;

/// The settings of a directive; the diagnostics where it is refused, warnings included.
fn parse(text: &str) -> Result<Config, String> {
    let text =
        text.replace("FIXTURE", concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/cluster.yaml"));
    let corefile = format!(".:53 {{\n{text}\n}}\n");
    let loaded = corefile_of(&corefile);
    let kit = Kit::new();
    let mut diagnostics = Vec::new();
    let directives = &loaded.corefile.blocks[0].directives;
    let mut setup = Setup::new(directives, &kit.block, &kit.metrics, &kit.shared, &mut diagnostics);
    let config = Config::parse(&mut setup);
    config.map_err(|last| {
        diagnostics.push(last);
        let messages = diagnostics.into_iter().map(|diagnostic| diagnostic.message);
        messages.collect::<Vec<_>>().join("\n")
    })
}

fn corefile_of(text: &str) -> corefile::Loaded {
    let loaded = corefile::parse(std::path::Path::new("Corefile"), text, &|_| None);
    assert!(loaded.diagnostics.is_empty(), "{text}: {:?}", loaded.diagnostics);
    loaded
}

#[test]
fn every_option_is_understood() {
    let config = parse(
        "kubernetes cluster.local 10.0.0.0/8 {
            endpoint https://192.0.2.1:6443
            apiserver_qps 50.5
            apiserver_burst 100
            apiserver_max_inflight 3
            namespaces shop
            namespaces data web
            labels environment in (production, staging, qa),application=nginx
            pods verified
            endpoint_pod_names
            ttl 30
            fallthrough in-addr.arpa ip6.arpa
            ignore empty_service
            zonal
            startup_timeout 1m
        }",
    )
    .unwrap();
    assert_eq!(config.primary.to_string(), "cluster.local.");
    assert_eq!(config.zones.written(), ["cluster.local.", "10.in-addr.arpa."]);
    let url = "https://192.0.2.1:6443".to_owned();
    assert_eq!(config.origin, Origin::Endpoint { url, tls: None });
    assert_eq!(config.limits, Limits { qps: 50.5, burst: 100, max_inflight: 3 });
    assert_eq!(config.namespaces, ["shop", "data", "web"]);
    let labels = "environment in (production, staging, qa),application=nginx";
    assert_eq!(config.labels.map(|labels| labels.text).as_deref(), Some(labels));
    assert_eq!(config.pods, Pods::Verified);
    assert_eq!(config.detail, Detail { pod_names: true, zones: true });
    assert_eq!(config.ttl_secs, 30);
    assert!(config.ignore_empty && !config.no_endpoints);
    let covers = |name| config.fallthrough.covers(&Name::from_ascii(name).unwrap());
    assert!(covers("1.0.0.10.in-addr.arpa.") && !covers("web.shop.svc.cluster.local."));
    assert_eq!(config.startup_timeout, Duration::from_mins(1));
}

#[test]
fn defaults_are_those_of_coredns() {
    let config = parse("kubernetes").unwrap();
    assert_eq!(config.zones.written(), ["."], "the zones of the server block");
    assert_eq!(config.origin, Origin::InCluster);
    assert_eq!(config.ttl_secs, 5);
    assert_eq!(config.pods, Pods::Disabled);
    assert_eq!(config.startup_timeout, Duration::from_secs(5));
    assert_eq!(config.limits, Limits { qps: 5.0, burst: 10, max_inflight: 0 });
    assert_eq!(config.kinds(), [Kind::Service, Kind::EndpointSlice, Kind::Namespace]);
}

#[test]
fn accepted_forms() {
    let cases = [
        "kubernetes coredns.local test.local",
        "kubernetes coredns.local {\n}",
        "kubernetes coredns.local {\nendpoint http://localhost:9090 http://localhost:9091\n}",
        "kubernetes coredns.local {\nendpoint localhost:8080\n}",
        "kubernetes coredns.local {\nendpoint 192.0.2.1\ntls cert key cacert\n}",
        "kubernetes coredns.local {\ntls cert key cacert\n}",
        "kubernetes coredns.local {\nkubeconfig file\n}",
        "kubernetes coredns.local {\nkubeconfig file context\n}",
        "kubernetes coredns.local {\nkubeconfig file\nendpoint http://localhost:8080\n}",
        "kubernetes coredns.local {\nmanifests FIXTURE\n}",
        "kubernetes coredns.local {\nlabels environment=prod\n}",
        "kubernetes coredns.local {\nnamespace_labels istio-injection=enabled\n}",
        "kubernetes coredns.local {\npods disabled\n}",
        "kubernetes coredns.local {\npods insecure\n}",
        "kubernetes coredns.local {\nnoendpoints\n}",
        "kubernetes coredns.local {\nfallthrough\n}",
        "kubernetes coredns.local {\nttl 0\n}",
        "kubernetes coredns.local {\nttl 3600\n}",
        "kubernetes coredns.local {\nttl 5 and more\n}",
        "kubernetes coredns.local {\nignore empty_service please\n}",
        "kubernetes coredns.local {\nstartup_timeout 0s\n}",
        "kubernetes coredns.local {\napiserver_qps 0\n}",
        "kubernetes coredns.local {\napiserver_burst 0\n}",
        "kubernetes coredns.local {\napiserver_max_inflight 0\n}",
        "kubernetes 10.in-addr.arpa coredns.local",
        "kubernetes in-addr.arpa",
    ];
    for text in cases {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text).err());
    }
}

#[test]
fn a_scheme_is_supplied_as_tls_needs_it() {
    let url = |properties: &str| match parse(&format!("kubernetes x {{\n{properties}\n}}"))
        .unwrap()
        .origin
    {
        Origin::Endpoint { url, .. } => url,
        other => panic!("{other:?}"),
    };
    assert_eq!(url("endpoint 192.0.2.1:8080"), "http://192.0.2.1:8080");
    assert_eq!(url("endpoint 192.0.2.1:6443\ntls a b c"), "https://192.0.2.1:6443");
    assert_eq!(url("tls a b c\nendpoint http://192.0.2.1:6443"), "http://192.0.2.1:6443");
}

#[test]
fn ptr_records_point_into_the_first_forward_zone() {
    let cases = [
        ("kubernetes cluster.local 10.in-addr.arpa", "cluster.local."),
        ("kubernetes 10.in-addr.arpa ip6.arpa cluster.local other.local", "cluster.local."),
        ("kubernetes in-addr.arpa cluster.local", "cluster.local."),
    ];
    for (text, primary) in cases {
        assert_eq!(parse(text).unwrap().primary.to_string(), primary, "{text}");
    }
}

#[test]
fn refused_forms_say_why() {
    let cases = [
        ("kubernetes 10.in-addr.arpa", "needs a zone that is no reverse zone"),
        ("kubernetes 10.0.0.0/8 2001:db8::/32", "needs a zone that is no reverse zone"),
        ("kubernetes a.local\nkubernetes b.local", "once"),
        ("kubernetes a.local {\nendpoint\n}", "`endpoint` wants at least 1 argument"),
        ("kubernetes a.local {\nendpoint ftp://192.0.2.1\n}", "expected the URL of an API server"),
        ("kubernetes a.local {\nendpoint http://\n}", "expected the URL of an API server"),
        ("kubernetes a.local {\nkubeconfig\n}", "`kubeconfig` wants 1 to 2 arguments"),
        ("kubernetes a.local {\nkubeconfig a b c\n}", "`kubeconfig` wants 1 to 2 arguments"),
        ("kubernetes a.local {\ntls a b\n}", "`tls` wants 3 arguments"),
        ("kubernetes a.local {\nmanifests\n}", "`manifests` wants at least 1 argument"),
        ("kubernetes a.local {\nmanifests /no/such/place\n}", "there is no file or folder"),
        (
            "kubernetes a.local {\nmanifests FIXTURE\nkubeconfig x\n}",
            "takes the place of an API server",
        ),
        ("kubernetes a.local {\nnamespaces\n}", "`namespaces` wants at least 1 argument"),
        ("kubernetes a.local {\nlabels\n}", "`labels` wants at least 1 argument"),
        (
            "kubernetes a.local {\nlabels environment in (production, qa\n}",
            "is not a label selector",
        ),
        ("kubernetes a.local {\nnamespace_labels a>1\n}", "is not a label selector"),
        (
            "kubernetes a.local {\nnamespaces a b\nnamespace_labels team=web\n}",
            "cannot both be set",
        ),
        ("kubernetes a.local {\nzonal\nnoendpoints\n}", "cannot both be set"),
        ("kubernetes a.local {\nzonal us-west-2a\n}", "`zonal` wants no argument"),
        ("kubernetes a.local {\npods giant_seed\n}", "expected one of `disabled`"),
        ("kubernetes a.local {\npods\n}", "`pods` wants 1 argument"),
        ("kubernetes a.local {\npods verified insecure\n}", "`pods` wants 1 argument"),
        (
            "kubernetes a.local {\nendpoint_pod_names yes\n}",
            "`endpoint_pod_names` wants no argument",
        ),
        ("kubernetes a.local {\nnoendpoints at all\n}", "`noendpoints` wants no argument"),
        ("kubernetes a.local {\nignore\n}", "`ignore` wants at least 1 argument"),
        ("kubernetes a.local {\nignore everything\n}", "expected `empty_service`"),
        ("kubernetes a.local {\nttl\n}", "`ttl` wants at least 1 argument"),
        ("kubernetes a.local {\nttl -1\n}", "expected a whole number of seconds"),
        ("kubernetes a.local {\nttl 3601\n}", "out of range: from 0 to 3600"),
        ("kubernetes a.local {\nttl soon\n}", "expected a whole number of seconds"),
        ("kubernetes a.local {\nstartup_timeout\n}", "`startup_timeout` wants at least 1 argument"),
        ("kubernetes a.local {\nstartup_timeout 10\n}", "expected a duration"),
        ("kubernetes a.local {\napiserver_qps -10\n}", "expected 0 or more requests a second"),
        ("kubernetes a.local {\napiserver_qps fast\n}", "expected a number of requests"),
        ("kubernetes a.local {\napiserver_burst -5\n}", "expected a whole number of requests"),
        (
            "kubernetes a.local {\napiserver_max_inflight -1\n}",
            "expected a whole number of requests",
        ),
        ("kubernetes a.local {\nmulticluster b.local\n}", "is not one of this directive's zones"),
        ("kubernetes a.local b.local {\nmulticluster b.local\n}", "not supported yet"),
        ("kubernetes a.local {\nnamespace shop\n}", "unknown property `namespace`"),
        ("kubernetes a.local {\nttl 5 {\na\n}\n}", "takes no block"),
    ];
    for (text, expected) in cases {
        let error = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let error = parse("kubernetes a.local {\nttl -1\npods all\nnonsense\n}").err().unwrap();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn without_a_cluster_the_refusal_names_the_ways_out() {
    let error = testkit::rendered(&PLUGIN, "kubernetes cluster.local");
    for way in ["kubeconfig FILE", "endpoint URL", "manifests PATH"] {
        assert!(error.contains(way), "{way}: {error}");
    }
}
